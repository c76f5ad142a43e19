"""Affinity: how like a prompt's text is to what an assistant remembers. Shown, and used by no score."""

from django.db.models.functions import Substr

from mintmark.accounts.callers import Caller
from mintmark.registry import embeddings, memories, prompts
from mintmark.registry.models import Assistant, Prompt

from .answers import Affinity

MOST_ENTRIES = 200
MOST_CHARACTERS = 2_000


def of(*, caller: Caller, assistant: Assistant, prompt: Prompt) -> Affinity | None:
    """The largest likeness of a prompt to an entry of an assistant's memory, and of which; None for a caller who may
    not read both.

    The newest `MOST_ENTRIES` entries are compared, each text by its first `MOST_CHARACTERS` characters.
    """
    if not (
        memories.may_read(caller=caller, assistant=assistant)
        and prompts.may_read_text(caller=caller, prompt=prompt)
    ):
        return None
    remembered = memories.of(caller=caller, assistant=assistant)
    newest = remembered.order_by("-created_at", "-id").annotate(
        head=Substr("text", 1, MOST_CHARACTERS)
    )
    entries = list(newest.values_list("key", "head")[:MOST_ENTRIES])
    likeness = embeddings.likeness()
    told = likeness.of(prompt.text[:MOST_CHARACTERS], [head for _, head in entries])
    best = max(range(len(told)), key=told.__getitem__, default=None)
    return Affinity(
        score=told[best] if best is not None else None,
        entry=entries[best][0] if best is not None else None,
        compared=len(entries),
        entries=remembered.count(),
        by=likeness.by,
        model=likeness.model,
        note=likeness.note,
    )
