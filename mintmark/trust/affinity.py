"""Affinity: how similar a prompt's text is to an assistant's memory. Shown, and used by no score."""

from django.db.models.functions import Substr

from mintmark.accounts.callers import Caller
from mintmark.registry import embeddings, memories, prompts
from mintmark.registry.models import Assistant, Prompt

from .results import Affinity

MAX_ENTRIES = 200
MAX_CHARACTERS = 2_000


def measure_affinity(*, caller: Caller, assistant: Assistant, prompt: Prompt) -> Affinity | None:
    """The largest similarity of a prompt to an entry of an assistant's memory, and that entry; None for a caller who
    may not read both.

    The newest `MAX_ENTRIES` entries are compared, each text by its first `MAX_CHARACTERS` characters.
    """
    if not (
        memories.may_read(caller=caller, assistant=assistant)
        and prompts.may_read_text(caller=caller, prompt=prompt)
    ):
        return None
    remembered = memories.list_memories(caller=caller, assistant=assistant)
    newest = remembered.order_by("-created_at", "-id").annotate(
        head=Substr("text", 1, MAX_CHARACTERS)
    )
    entries = list(newest.values_list("key", "head")[:MAX_ENTRIES])
    backend = embeddings.get_similarity_backend()
    similarities = backend.compute_similarities(
        prompt.text[:MAX_CHARACTERS], [head for _, head in entries]
    )
    best = max(range(len(similarities)), key=similarities.__getitem__, default=None)
    return Affinity(
        score=similarities[best] if best is not None else None,
        entry=entries[best][0] if best is not None else None,
        compared=len(entries),
        entries=remembered.count(),
        by=backend.by,
        model=backend.model,
        note=backend.note,
    )
