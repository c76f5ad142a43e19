"""What an assistant is asked: a prompt and a case, as one frame has them."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from mintmark.core import paraphrasing, perturbations, placeholders
from mintmark.registry.models import MemoryEntry, Prompt

from .definitions import Case, Definition, Example
from .runners import Ask, Message

MOST_CHARACTERS = 1_000_000
"""Of one call: a prompt that names a long variable often is a great many."""
REMEMBERED = "What you remember:"
_MOST_HINTS = 20
_HINT = 400


def ask(
    *,
    prompt: Prompt,
    case: Case,
    frame: perturbations.Frame,
    definition: Definition,
    memory: Mapping[str, str],
) -> Ask:
    """The call for one case in one frame. What it is told comes first, then the examples, then the question.

    Where the case has an `input` the prompt is the instruction, and the input the question; else the prompt is the
    question. What is remembered and the inputs stand in the frame's order, and are worded as it says.
    """
    fills = {name: _filled(value, name, case, frame) for name, value in case.variables.items()}
    text = placeholders.filled(text=prompt.text, values=fills)
    remembered = _ordered(case.memory, frame.memory_order, frame, case, "memory")
    told = [text] if case.input else []
    if remembered:
        lines = "\n".join(f"- {memory[key]}" for key in remembered)
        told.append(f"{REMEMBERED}\n{lines}")
    messages = [Message(role="system", content="\n\n".join(told))] if told else []
    for example in _ordered(case.examples, frame.input_order, frame, case, "examples"):
        messages.append(Message(role="user", content=_worded(example.input, frame)))
        messages.append(Message(role="assistant", content=example.output))
    messages.append(
        Message(role="user", content=_worded(case.input, frame) if case.input else text)
    )
    return Ask(
        messages=tuple(messages),
        temperature=frame.temperature,
        max_tokens=definition.max_tokens,
        seed=frame.seed,
        prompt=prompt.digest,
        case=case.id,
        frame=frame.number,
        hints=_hints(case, [memory[key] for key in case.memory]),
    )


def digest(asked: Ask) -> str:
    """The SHA-256 of what is sent: says whether two calls asked the same, and nothing of what they asked."""
    sent = [[one.role, one.content] for one in asked.messages]
    whole = [sent, asked.temperature, asked.max_tokens, asked.seed]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def remembered(*, assistant_id: int, definition: Definition) -> tuple[dict[str, str], list[str]]:
    """What an assistant remembers of what the cases cite, by key; and the keys under which it remembers nothing."""
    wanted = {key for case in definition.cases for key in case.memory}
    held = MemoryEntry.objects.filter(assistant=assistant_id, key__in=wanted)
    found = dict(held.values_list("key", "text"))
    return found, sorted(wanted - found.keys())


def unfilled(*, prompt: Prompt, definition: Definition) -> dict[str, list[str]]:
    """The prompt's variables that a case leaves open, by case."""
    named = placeholders.names(prompt.text)
    return {
        case.id: lacking
        for case in definition.cases
        if (lacking := [name for name in named if name not in case.variables])
    }


def too_long(
    *, prompt: Prompt, definition: Definition, memory: Mapping[str, str]
) -> dict[str, int]:
    """The cases of which one call would have over `MOST_CHARACTERS`, and how many it would have. Nothing is built."""
    text = placeholders.measured(prompt.text)
    found = {}
    for case in definition.cases:
        lengths = {
            name: len(value) if isinstance(value, str) else sum(len(line) + 1 for line in value)
            for name, value in case.variables.items()
        }
        length = len(case.input)
        length += text.filled(lengths)
        length += sum(len(memory.get(key, "")) for key in case.memory)
        length += sum(len(example.input) + len(example.output) for example in case.examples)
        if length > MOST_CHARACTERS:
            found[case.id] = length
    return found


def _filled(value: str | Sequence[str], name: str, case: Case, frame: perturbations.Frame) -> str:
    if isinstance(value, str):
        return _worded(value, frame)
    lines = _ordered(value, frame.input_order, frame, case, f"variable {name}")
    return "\n".join(_worded(line, frame) for line in lines)


def _worded(text: str, frame: perturbations.Frame) -> str:
    return paraphrasing.reworded(text, rules=frame.paraphrases) if frame.paraphrases else text


def _ordered[T: (str, Example)](
    items: Sequence[T], is_changed: bool, frame: perturbations.Frame, case: Case, what: str
) -> Sequence[T]:
    if not is_changed:
        return items
    return perturbations.shuffled(items, seed=frame.seed, what=f"{case.id} {what}")


def _hints(case: Case, memory: Sequence[str]) -> tuple[str, ...]:
    """What the case's assertions look for and it is to remember, for a runner that is no model."""
    found: list[str] = []
    for one in case.assertions:
        if one.is_negated or one.kind in ("regex", "is-json", "llm-rubric"):
            continue
        if isinstance(one.value, str):
            found.append(one.value)
        elif isinstance(one.value, list):
            found += one.value if one.kind.endswith("-all") else one.value[:1]
    found += memory
    return tuple(text[:_HINT] for text in found[:_MOST_HINTS])
