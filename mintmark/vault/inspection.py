"""What there is to see of a bundle before it is taken in: who signed it, what its texts hide, what is known here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched, islice
from typing import Any

from mintmark.accounts.models import Team
from mintmark.core import bundles, screening, unicode
from mintmark.core.bundles import Bundle
from mintmark.core.screening import Mark
from mintmark.core.trust_roots import Root, Verdict
from mintmark.core.unicode import Place
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt, Tombstone

from . import identity, keys
from .models import BundleSignature, ForeignPrompt, SigningKey

SHOWN = 50
"""How many hidden characters, and how many marks, of one text are named."""
MOST_FINDINGS = 500
"""How many findings a row keeps."""
BLOCKING = ("unknown_key", "other_key", "hidden_unicode", "withdrawn_here")
"""The findings that an admin alone may pass over, with a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One text of a bundle. `known` is the prompt of here with these very bytes that the team may use (it is merged
    with that one), `elsewhere` others with these bytes; `parent` the prompt of here to which its descent leads."""

    told: bundles.Prompt
    hidden: tuple[Place, ...]
    marks: tuple[Mark, ...]
    known: Prompt | None
    elsewhere: tuple[Prompt, ...]
    parent: Prompt | None
    withdrawn: str

    @property
    def visible_text(self) -> str:
        """The text with each hidden character replaced by its code point, as `⟨U+200B⟩`."""
        return unicode.made_visible(self.told.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A bundle that waits. `verdict` is None where its keys are worth nothing any more, and `refusal` then says why;
    `signers` are all who signed it, with what is known of their keys."""

    bundle: Bundle
    verdict: Verdict | None
    refusal: str
    signers: Mapping[str, Root | None]
    prompts: tuple[Seen, ...]
    findings: tuple[dict[str, Any], ...]

    @property
    def needs_admin(self) -> bool:
        """Whether something in it is for an admin to pass over."""
        return any(finding["kind"] in BLOCKING for finding in self.findings)


def seen(bundle: Bundle, *, team: Team) -> tuple[Seen, ...]:
    """Each text of a bundle beside what the team may use here, in the bundle's order."""
    told_by_name = nodes(bundle)
    here = known(digests=[node.digest for node in told_by_name.values()], team=team)
    told = [prompt.digest for prompt in bundle.prompts]
    others = _elsewhere(told, team=team)
    dead = _withdrawn(told)
    return tuple(
        Seen(
            told=prompt,
            hidden=tuple(unicode.hidden(prompt.text, most=SHOWN)),
            marks=tuple(screening.marks(prompt.text, most=SHOWN)),
            known=here.get(prompt.digest),
            elsewhere=tuple(others.get(prompt.digest, ())),
            parent=here.get(told_by_name[prompt.parent].digest)
            if prompt.parent is not None
            else None,
            withdrawn=dead.get(prompt.digest, ""),
        )
        for prompt in bundle.prompts
    )


def nodes(bundle: Bundle) -> dict[str, bundles.Prompt | bundles.Ancestor]:
    """All that a bundle tells of, with or without a text, by name."""
    found: dict[str, bundles.Prompt | bundles.Ancestor] = {}
    found.update((prompt.name, prompt) for prompt in bundle.prompts)
    found.update((ancestor.name, ancestor) for ancestor in bundle.ancestors)
    return found


def known(*, digests: Sequence[str], team: Team) -> dict[str, Prompt]:
    """The prompts with these texts that a team may use, by digest: its own before others', the oldest first."""
    found: dict[str, Prompt] = {}
    served = entitlements.served_to(team_ids={team.pk})
    for part in batched(dict.fromkeys(digests), 5_000):
        rows = Prompt.objects.filter(served, digest__in=part).select_related("team").order_by("id")
        for prompt in sorted(rows, key=lambda row: row.team_id != team.pk):
            found.setdefault(prompt.digest, prompt)
    return found


def signers(key_ids: frozenset[str]) -> dict[str, Root | None]:
    """What is known here of the keys that signed."""
    roots = {root.key_id: root for root in keys.roots()}
    return {key_id: roots.get(key_id) for key_id in sorted(key_ids)}


def findings(
    *, bundle: Bundle, verdict: Verdict | None, key_ids: frozenset[str], prompts: Sequence[Seen]
) -> tuple[dict[str, Any], ...]:
    """What there is to look at, as JSON: each with its `kind`, what it `says`, and of a text its `prompt` and place."""
    every = _found(bundle=bundle, verdict=verdict, key_ids=key_ids, prompts=prompts)
    kept = list(islice(every, MOST_FINDINGS))
    if next(every, None) is not None:
        kept.append({"kind": "more", "says": f"only the first {MOST_FINDINGS} findings are kept"})
    return tuple(kept)


def _found(
    *, bundle: Bundle, verdict: Verdict | None, key_ids: frozenset[str], prompts: Sequence[Seen]
) -> Iterator[dict[str, Any]]:
    for key_id in sorted(key_ids) if verdict is None or not verdict.is_known else ():
        yield {
            "kind": "unknown_key",
            "key_id": key_id,
            "says": f"nobody who is trusted here signed it; the key {key_id[:16]}… did",
        }
    if other := _other_key(bundle, key_ids):
        yield {"kind": "other_key", "says": other}
    # What an admin has to decide comes first, so that no number of innocent marks hides it.
    for one in prompts:
        if one.withdrawn:
            yield {
                "kind": "withdrawn_here",
                "prompt": one.told.name,
                "says": f"these bytes were withdrawn here: {one.withdrawn}",
            }
        for place in one.hidden[:1]:
            yield _hidden(one.told.name, place)
    for one in prompts:
        for place in one.hidden[1:]:
            yield _hidden(one.told.name, place)
        for mark in one.marks:
            yield {
                "kind": mark.kind,
                "prompt": one.told.name,
                "line": mark.line,
                "column": mark.column,
                "says": f"{mark.name} at line {mark.line}, column {mark.column}",
            }


def _hidden(name: str, place: Place) -> dict[str, Any]:
    return {
        "kind": "hidden_unicode",
        "prompt": name,
        "line": place.line,
        "column": place.column,
        "code_point": place.code_point,
        "says": f"{place.name} (U+{place.code_point:04X}) at line {place.line}, column {place.column}",
    }


def _other_key(bundle: Bundle, key_ids: frozenset[str]) -> str:
    """Why the signers may not be who the bundle says: the issuer signed with other keys when it was last taken in."""
    issuer = bundle.issuer
    if issuer.installation == identity.installation():
        own = frozenset(SigningKey.objects.values_list("key_id", flat=True))
        return (
            ""
            if own & key_ids
            else "it says that this installation issued it, whose keys did not sign it"
        )
    newest = ForeignPrompt.objects.filter(issuer=issuer.installation).order_by("-id").first()
    if newest is None:
        return ""
    signed = BundleSignature.objects.filter(vault=newest.vault_id)
    if signed.filter(key_id__in=key_ids).exists():
        return ""
    return f"bundles of {issuer.name} ({issuer.installation[:8]}…) were signed by other keys before"


def _elsewhere(digests: Sequence[str], *, team: Team) -> dict[str, list[Prompt]]:
    found: dict[str, list[Prompt]] = {}
    for part in batched(dict.fromkeys(digests), 5_000):
        rows = Prompt.objects.filter(digest__in=part).exclude(team=team).select_related("team")
        for prompt in rows.order_by("id"):
            found.setdefault(prompt.digest, []).append(prompt)
    return found


def _withdrawn(digests: Sequence[str]) -> dict[str, str]:
    """Why texts with these digests were withdrawn here."""
    found: dict[str, str] = {}
    for part in batched(dict.fromkeys(digests), 5_000):
        rows = Tombstone.objects.filter(prompt__digest__in=part)
        found.update(rows.values_list("prompt__digest", "reason"))
    return found
