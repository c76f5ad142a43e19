"""Build the request to an assistant from a prompt and a case, in one frame."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from mintmark.experiments import paraphrasing, perturbations
from mintmark.registry.models import MemoryEntry, Prompt
from mintmark.textchecks import chat_format, placeholders

from .definitions import Case, Example, RitualDefinition
from .runners import ModelMessage, ModelRequest

MAX_CHARACTERS = 1_000_000
"""The most characters of one call: a prompt that names a long variable often can become very large."""
MEMORY_HEADING = "What you remember:"
_MAX_HINTS = 20
_MAX_HINT_LENGTH = 400


def build_request(
    *,
    prompt: Prompt,
    case: Case,
    frame: perturbations.FrameContext,
    definition: RitualDefinition,
    memory: Mapping[str, str],
) -> ModelRequest:
    """The request for one case in one frame: system messages first, then the examples, then the question.

    If the case has an `input`, the prompt is the instruction and the input the question; else the prompt is the
    question. A chat keeps its messages: the system's at its beginning come before the examples. The frame decides the
    order of memories and inputs, and their wording.
    """
    values = {
        name: _fill_variable(value, name, case, frame)
        for name, value in case.variables.items()
        if name in prompt.variables
    }
    instructions, question = _build_turns(prompt, values=values, is_instruction=bool(case.input))
    memory_keys = _order_items(case.memory, frame.memory_order, frame, case, "memory")
    if memory_keys:
        memory_lines = "\n".join(f"- {memory[key]}" for key in memory_keys)
        instructions = _append_to_system(instructions, f"{MEMORY_HEADING}\n{memory_lines}")
    messages = [*instructions]
    for example in _order_items(case.examples, frame.input_order, frame, case, "examples"):
        messages.append(ModelMessage(role="user", content=_reword(example.input, frame)))
        messages.append(ModelMessage(role="assistant", content=example.output))
    messages += question
    if case.input:
        messages.append(ModelMessage(role="user", content=_reword(case.input, frame)))
    return ModelRequest(
        messages=tuple(messages),
        temperature=frame.temperature,
        max_tokens=definition.max_tokens,
        seed=frame.seed,
        prompt=prompt.digest,
        case=case.id,
        frame=frame.number,
        hints=_collect_hints(case, [memory[key] for key in case.memory]),
    )


def _build_turns(
    prompt: Prompt, *, values: Mapping[str, str], is_instruction: bool
) -> tuple[list[ModelMessage], list[ModelMessage]]:
    """The prompt's messages with their variables filled in, parted into what comes before the examples and the rest.

    Roles are read before anything is filled in: a value that holds a line `system:` makes no message.
    """
    if chat_format.TAG not in prompt.tags:
        text = placeholders.substitute(text=prompt.text, values=values)
        role = "system" if is_instruction else "user"
        turn = [ModelMessage(role=role, content=text)]
        return (turn, []) if is_instruction else ([], turn)
    turns = [
        ModelMessage(
            role=message.role,
            content=placeholders.substitute(text=message.content, values=values),
        )
        for message in chat_format.parse_chat(prompt.text)
    ]
    start = next(
        (n for n, turn in enumerate(turns) if turn.role not in ("system", "developer")), len(turns)
    )
    return turns[:start], turns[start:]


def _append_to_system(turns: Sequence[ModelMessage], text: str) -> list[ModelMessage]:
    """These messages with a text at the end of the last instruction, or in a system message of its own."""
    if not turns:
        return [ModelMessage(role="system", content=text)]
    *before, last = turns
    return [*before, ModelMessage(role=last.role, content=f"{last.content}\n\n{text}")]


def compute_request_digest(request: ModelRequest) -> str:
    """The SHA-256 of the messages of a request: shows whether two requests were equal, and nothing of their content."""
    messages = [[message.role, message.content] for message in request.messages]
    canonical = [messages, request.temperature, request.max_tokens, request.seed]
    return hashlib.sha256(json.dumps(canonical).encode()).hexdigest()


def load_memory(
    *, assistant_id: int, definition: RitualDefinition
) -> tuple[dict[str, str], list[str]]:
    """The memories that the cases cite, by key; and the cited keys for which the assistant has no memory."""
    cited_keys = {key for case in definition.cases for key in case.memory}
    entries = MemoryEntry.objects.filter(assistant=assistant_id, key__in=cited_keys)
    memory = dict(entries.values_list("key", "text"))
    return memory, sorted(cited_keys - memory.keys())


def find_missing_variables(*, prompt: Prompt, definition: RitualDefinition) -> dict[str, list[str]]:
    """The prompt's variables that a case does not fill, by case."""
    return {
        case.id: missing
        for case in definition.cases
        if (missing := [name for name in prompt.variables if name not in case.variables])
    }


def find_oversized_cases(
    *, prompt: Prompt, definition: RitualDefinition, memory: Mapping[str, str]
) -> dict[str, int]:
    """The cases for which one call would have over `MAX_CHARACTERS` characters, with that number. Nothing is built."""
    length_model = placeholders.build_length_model(prompt.text)
    length_by_case = {}
    for case in definition.cases:
        lengths = {
            name: len(value)
            if isinstance(value, str)
            else sum(len(text_line) + 1 for text_line in value)
            for name, value in case.variables.items()
        }
        length = len(case.input)
        length += length_model.predict_length(lengths)
        length += sum(len(memory.get(key, "")) for key in case.memory)
        length += sum(len(example.input) + len(example.output) for example in case.examples)
        if length > MAX_CHARACTERS:
            length_by_case[case.id] = length
    return length_by_case


def _fill_variable(
    value: str | Sequence[str], name: str, case: Case, frame: perturbations.FrameContext
) -> str:
    if isinstance(value, str):
        return _reword(value, frame)
    texts = _order_items(value, frame.input_order, frame, case, f"variable {name}")
    return "\n".join(_reword(item, frame) for item in texts)


def _reword(text: str, frame: perturbations.FrameContext) -> str:
    return paraphrasing.reword(text, rules=frame.paraphrases) if frame.paraphrases else text


def _order_items[T: (str, Example)](
    items: Sequence[T], is_changed: bool, frame: perturbations.FrameContext, case: Case, label: str
) -> Sequence[T]:
    if not is_changed:
        return items
    return perturbations.shuffle(items, seed=frame.seed, purpose=f"{case.id} {label}")


def _collect_hints(case: Case, memory: Sequence[str]) -> tuple[str, ...]:
    """What the case's assertions and memories look for: hints for a runner that is not a model."""
    hints: list[str] = []
    for assertion in case.assertions:
        if assertion.is_negated or assertion.kind in ("regex", "is-json", "llm-rubric"):
            continue
        if isinstance(assertion.value, str):
            hints.append(assertion.value)
        elif isinstance(assertion.value, list):
            hints += assertion.value if assertion.kind.endswith("-all") else assertion.value[:1]
    hints += memory
    return tuple(hint[:_MAX_HINT_LENGTH] for hint in hints[:_MAX_HINTS])
