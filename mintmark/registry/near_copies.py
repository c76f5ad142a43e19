"""Near-copies: texts that hold most of what another team registered before, recognised when they are registered."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from mintmark.textchecks import shingles

from .models import NearCopy, Prompt, PromptSketch

MIN_CONTAINMENT = 0.6
"""So much of an earlier text makes a later one its near-copy."""

# A candidate shares this part of its sketch at least: half of what a near-copy shares on average.
_MIN_SKETCH_SHARE = 0.3
_CHUNK = 3_000


def record(prompts: Sequence[Prompt]) -> list[NearCopy]:
    """Store the sketches of new prompts, and of which earlier prompts of other teams they are near-copies.

    A revision or a fork of a prompt is no copy of its own ancestors: those are told as its lineage.
    """
    texts = {prompt.pk: shingles.compute_shingles(prompt.text) for prompt in prompts}
    candidates = _find_candidates(prompts, texts)
    wanted = set(itertools.chain(*candidates.values()))
    originals = Prompt.objects.only("id", "text", "team_id").in_bulk(wanted)
    ancestors = _load_ancestors(prompts)
    copies = []
    for prompt in prompts:
        for pk in sorted(candidates[prompt.pk]):
            original = originals.get(pk)
            if original is None or pk in ancestors[prompt.pk]:
                continue
            part = shingles.compute_shingles(original.text)
            likeness = shingles.compute_containment(part, texts[prompt.pk])
            if likeness >= MIN_CONTAINMENT:
                copies.append(NearCopy(prompt=prompt, original=original, likeness=likeness))
    PromptSketch.objects.bulk_create(
        (
            PromptSketch(prompt=prompt, shingle=shingle)
            for prompt in prompts
            for shingle in shingles.choose_sketch(texts[prompt.pk])
        ),
        batch_size=2_000,
    )
    return NearCopy.objects.bulk_create(copies, batch_size=500)


def list_originals(*, prompt: Prompt) -> list[NearCopy]:
    """Of which earlier prompts of other teams a prompt is a near-copy, the most alike first."""
    rows = NearCopy.objects.filter(prompt=prompt).select_related("original__team")
    return list(rows.order_by("-likeness", "original"))


def find_related_teams(*, prompt_ids: Collection[int]) -> dict[int, set[int]]:
    """By prompt id, the teams that wrote a near-copy of it, or what it is a near-copy of; two queries."""
    related: dict[int, set[int]] = defaultdict(set)
    copied = NearCopy.objects.filter(prompt__in=prompt_ids)
    for prompt, team in copied.values_list("prompt", "original__team"):
        related[prompt].add(team)
    copies = NearCopy.objects.filter(original__in=prompt_ids)
    for original, team in copies.values_list("original", "prompt__team"):
        related[original].add(team)
    return related


def _find_candidates(
    prompts: Sequence[Prompt], texts: dict[int, frozenset[int]]
) -> dict[int, set[int]]:
    """By new prompt, the stored prompts of other teams that share enough of their sketch with it."""
    wanted = set(itertools.chain.from_iterable(texts.values()))
    holders: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for chunk in itertools.batched(sorted(wanted), _CHUNK):
        rows = PromptSketch.objects.filter(shingle__in=chunk)
        for shingle, holder, team in rows.values_list("shingle", "prompt", "prompt__team"):
            holders[shingle].append((holder, team))
    found: dict[int, set[int]] = {}
    for prompt in prompts:
        shared = Counter(
            pk
            for shingle in texts[prompt.pk] & holders.keys()
            for pk, team in holders[shingle]
            if team != prompt.team_id
        )
        least = _MIN_SKETCH_SHARE * shingles.SKETCH_SIZE
        short = _MIN_SKETCH_SHARE * shingles.MIN_SHINGLES
        likely = {pk for pk, count in shared.items() if count >= short}
        sizes = Counter(
            PromptSketch.objects.filter(prompt__in=likely).values_list("prompt", flat=True)
        )
        found[prompt.pk] = {
            pk for pk in likely if shared[pk] >= min(least, _MIN_SKETCH_SHARE * sizes[pk])
        }
    return found


def _load_ancestors(prompts: Iterable[Prompt]) -> dict[int, set[int]]:
    """By prompt, the ids of all its ancestors; one query a generation."""
    parents = {prompt.pk: prompt.parent_id for prompt in prompts}
    known = dict(parents)
    pending = {parent for parent in parents.values() if parent is not None} - known.keys()
    while pending:
        rows = dict(Prompt.objects.filter(pk__in=pending).values_list("id", "parent_id"))
        known |= rows
        pending = {parent for parent in rows.values() if parent is not None} - known.keys()
    ancestors: dict[int, set[int]] = {}
    for pk in parents:
        chain: set[int] = set()
        parent = known.get(pk)
        while parent is not None and parent not in chain:
            chain.add(parent)
            parent = known.get(parent)
        ancestors[pk] = chain
    return ancestors
