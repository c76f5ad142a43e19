"""promptfoo's prompts as texts of this place: templates of Nunjucks, chats in JSON or YAML; functions are none.

promptfoo writes beside a template what it sent in each row. Where that is not the template filled in, something else
was measured (a function's prompt, a prefix, a provider's own template), and the row says nothing of the text.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mintmark.common import documents, errors
from mintmark.textchecks import chat_format, nunjucks

from . import template_mapping

_CODE_FILE = re.compile(
    r"[^\n{}]*\.(?:[cm]?[jt]sx?|py|rb|sh|go|exe|bat|ps1)(?::[\w.$-]*)?(?:\s*:.*)?", re.DOTALL
)
_CODE = re.compile(
    r"\s*(?:export\s+default\s+)?(?:async\s+)?(?:function\b\s*\*?\s*\w*\s*\(|\([\w\s,{}:=.\[\]]*\)\s*=>|\w+\s*=>\s)"
)
_REFERENCE = re.compile(r"(?:file|langfuse|portkey|helicone|exec|package|https?)://\S+\s*\Z|exec:")
MAX_TITLE_LENGTH = 200
_STRIPPED = "[prompt stripped]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptProblem:
    """Why a prompt has no place here, and the words that are the reason."""

    excerpt: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptfooPrompt:
    """A prompt as a text, with the variables that it takes; `problems` says why it is none."""

    template: str
    text: str
    variables: tuple[str, ...]
    is_chat: bool
    problems: tuple[PromptProblem, ...]
    title: str = ""


@functools.lru_cache(maxsize=1_000)
def map_prompt(template: str, label: str) -> PromptfooPrompt:
    """A template of promptfoo, by its label, as a text of this place."""
    if problem := _find_kind_problem(template, label):
        return _build(template, problems=[problem])
    mapped = _map_template(template)
    title = " ".join(label.split())
    is_name = title and len(title) <= MAX_TITLE_LENGTH and "{{" not in title
    return dataclasses.replace(mapped, title=title if is_name else "")


def _map_template(template: str) -> PromptfooPrompt:
    messages = _parse_messages(template)
    if messages is None:
        return _build_mapped(template, [template], is_chat=False)
    try:
        chat = chat_format.parse_messages(messages)
    except ValueError as error:
        return _build(template, problems=[PromptProblem(excerpt=template[:60], message=str(error))])
    mapped = _build_mapped(template, [message.content for message in chat], is_chat=True)
    if mapped.problems:
        return mapped
    try:
        text = chat_format.format_chat(
            [
                chat_format.ChatMessage(role=message.role, content=_map(message.content).text)
                for message in chat
            ]
        )
    except chat_format.AmbiguousMessage as error:
        problem = PromptProblem(excerpt=template[:60], message=f"{error}.")
        return _build(template, problems=[problem])
    return dataclasses.replace(mapped, text=text)


def explain_other_text(
    prompt: PromptfooPrompt, *, sent: object, variables: Mapping[str, Any]
) -> str:
    """Why what was sent is not this prompt filled in; empty where it is, or where nobody can tell."""
    if not isinstance(sent, str) or sent in (_STRIPPED, prompt.template):
        return ""
    if prompt.variables and not variables:
        return ""  # promptfoo was told to leave the variables out of the file
    try:
        values = dict.fromkeys(prompt.variables, "") | nunjucks.resolve_variables(variables)
        expected = _fill(prompt, values)
    except ValueError:
        return ""
    if _normalise(expected) == _normalise(sent):
        return ""
    return "what was sent is not this template filled in (a prefix, a function, a template of the provider's)"


def find_clash(prompt: PromptfooPrompt, *, variables: Mapping[str, Any]) -> str:
    """The first `{x}` that is letters there, although x is a variable of the test and would be filled in here."""
    letters = re.findall(r"(?<!\{)\{\s*([A-Za-z_]\w*)\s*\}(?!\})", prompt.text)
    return next(
        (name for name in letters if name in variables and name not in prompt.variables), ""
    )


def _find_kind_problem(template: str, label: str) -> PromptProblem | None:
    if label.strip() == template.strip():
        pass  # written in the configuration itself
    elif _CODE_FILE.fullmatch(label.strip().split("\n")[0]):
        message = (
            f"{label.strip()[:80]} is a function: what it made of the variables is not in the file."
        )
        return PromptProblem(excerpt=label.strip()[:80], message=message)
    elif _CODE.match(template):
        message = "It is a function: what it made of the variables is not in the file."
        return PromptProblem(excerpt=" ".join(template.split())[:60], message=message)
    if _REFERENCE.match(template.strip()):
        message = "It is kept elsewhere: import it from there, or write it out."
        return PromptProblem(excerpt=template.strip()[:60], message=message)
    return None


def _parse_messages(template: str) -> Any:
    """The messages of a chat in JSON or YAML; None for a text."""
    stripped = template.strip()
    if stripped.startswith("- role:"):
        try:
            parsed = documents.parse_document(stripped)
        except errors.DomainError:
            return None
        return parsed if isinstance(parsed, list) else None
    try:
        parsed = json.loads(stripped)
    except (ValueError, RecursionError):
        # Without its variables it is no JSON yet: [{"role": …, "content": {{x}}}].
        return [stripped] if re.match(r"\[\s*\{\s*\"role\"", stripped) else None
    return parsed if isinstance(parsed, list | dict) else None


def _map(template: str) -> template_mapping.MappedText:
    return template_mapping.map_template(template, language="nunjucks")


def _build_mapped(template: str, contents: list[str], *, is_chat: bool) -> PromptfooPrompt:
    mapped_texts = [_map(content) for content in contents]
    variables = dict.fromkeys(name for mapped in mapped_texts for name in mapped.variables)
    problems = [
        PromptProblem(
            excerpt=part.excerpt,
            message=f"line {part.line}: {part.excerpt} has no meaning here: {part.reason}.",
        )
        for mapped in mapped_texts
        for part in mapped.unsupported
    ]
    return PromptfooPrompt(
        template=template,
        text="" if is_chat else mapped_texts[0].text,
        variables=tuple(variables),
        is_chat=is_chat,
        problems=tuple(problems),
    )


def _build(template: str, *, problems: list[PromptProblem]) -> PromptfooPrompt:
    return PromptfooPrompt(
        template=template, text="", variables=(), is_chat=False, problems=tuple(problems)
    )


def _fill(prompt: PromptfooPrompt, values: Mapping[str, Any]) -> Any:
    if not prompt.is_chat or prompt.template.strip().startswith("- role:"):
        return nunjucks.render(prompt.template, variables=values)
    return [
        {**message, "content": nunjucks.render(message["content"], variables=values)}
        for message in json.loads(prompt.template)
    ]


def _normalise(sent: Any) -> Any:
    """A text without regard to blanks; a chat as its messages, however they are written."""
    if not isinstance(sent, str):
        return sent
    if sent.lstrip().startswith(("[", "{")):
        try:
            return json.loads(sent)
        except (ValueError, RecursionError):
            pass
    return sent.split()
