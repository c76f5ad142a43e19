"""What there is to see of a bundle before it is taken in: who signed it, what its texts hide, what is known here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched, islice
from typing import Any

from mintmark.accounts.models import Team
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt, Tombstone
from mintmark.signing import bundles
from mintmark.signing.bundles import Bundle
from mintmark.signing.key_policy import SignerVerdict, TrustRoot
from mintmark.textchecks import hidden_characters, injection_scan
from mintmark.textchecks.hidden_characters import HiddenCharacter
from mintmark.textchecks.injection_scan import ScanHit

from . import installation, keys
from .models import BundleSignature, PromptProvenance, SigningKey

MAX_SHOWN = 50
"""How many hidden characters, and how many marks, of one text are named."""
MAX_FINDINGS = 500
"""How many findings a row keeps."""
BLOCKING_FINDINGS = ("unknown_key", "other_key", "hidden_unicode", "withdrawn_here")
"""The findings that an admin alone may pass over, with a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedPrompt:
    """One text of a bundle. `known` is the prompt of here with these very bytes that the team may use (it is merged
    with that one), `elsewhere` others with these bytes; `parent` the prompt of here to which its descent leads."""

    bundled_prompt: bundles.BundledPrompt
    hidden: tuple[HiddenCharacter, ...]
    marks: tuple[ScanHit, ...]
    known: Prompt | None
    other_matches: tuple[Prompt, ...]
    parent: Prompt | None
    withdrawn: str

    @property
    def visible_text(self) -> str:
        """The text with each hidden character replaced by its code point, as `⟨U+200B⟩`."""
        return hidden_characters.make_visible(self.bundled_prompt.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A bundle that waits. `verdict` is None where its keys are worth nothing any more, and `refusal` then says why;
    `signers` are all who signed it, with what is known of their keys."""

    bundle: Bundle
    verdict: SignerVerdict | None
    refusal: str
    signers: Mapping[str, TrustRoot | None]
    prompts: tuple[InspectedPrompt, ...]
    findings: tuple[dict[str, Any], ...]

    @property
    def needs_admin(self) -> bool:
        """Whether something in it is for an admin to pass over."""
        return any(finding["kind"] in BLOCKING_FINDINGS for finding in self.findings)


def inspect_prompts(bundle: Bundle, *, team: Team) -> tuple[InspectedPrompt, ...]:
    """Each text of a bundle beside what the team may use here, in the bundle's order."""
    node_by_name = index_nodes_by_name(bundle)
    existing_by_digest = match_existing(
        digests=[node.digest for node in node_by_name.values()], team=team
    )
    digests = [prompt.digest for prompt in bundle.prompts]
    matches_elsewhere = _find_other_matches(digests, team=team)
    withdrawal_reasons = _find_withdrawal_reasons(digests)
    return tuple(
        InspectedPrompt(
            bundled_prompt=prompt,
            hidden=tuple(hidden_characters.find_hidden(prompt.text, limit=MAX_SHOWN)),
            marks=tuple(injection_scan.scan(prompt.text, limit=MAX_SHOWN)),
            known=existing_by_digest.get(prompt.digest),
            other_matches=tuple(matches_elsewhere.get(prompt.digest, ())),
            parent=existing_by_digest.get(node_by_name[prompt.parent].digest)
            if prompt.parent is not None
            else None,
            withdrawn=withdrawal_reasons.get(prompt.digest, ""),
        )
        for prompt in bundle.prompts
    )


def index_nodes_by_name(
    bundle: Bundle,
) -> dict[str, bundles.BundledPrompt | bundles.BundleAncestor]:
    """All that a bundle tells of, with or without a text, by name."""
    node_by_name: dict[str, bundles.BundledPrompt | bundles.BundleAncestor] = {}
    node_by_name.update((prompt.name, prompt) for prompt in bundle.prompts)
    node_by_name.update((ancestor.name, ancestor) for ancestor in bundle.ancestors)
    return node_by_name


def match_existing(*, digests: Sequence[str], team: Team) -> dict[str, Prompt]:
    """The prompts with these texts that a team may use, by digest: its own before others', the oldest first."""
    prompt_by_digest: dict[str, Prompt] = {}
    usable = entitlements.build_usable_q(team_ids={team.pk})
    for batch in batched(dict.fromkeys(digests), 5_000):
        rows = Prompt.objects.filter(usable, digest__in=batch).select_related("team").order_by("id")
        for prompt in sorted(rows, key=lambda row: row.team_id != team.pk):
            prompt_by_digest.setdefault(prompt.digest, prompt)
    return prompt_by_digest


def find_signers(key_ids: frozenset[str]) -> dict[str, TrustRoot | None]:
    """What is known here of the keys that signed."""
    roots = {root.key_id: root for root in keys.list_trust_roots()}
    return {key_id: roots.get(key_id) for key_id in sorted(key_ids)}


def list_findings(
    *,
    bundle: Bundle,
    verdict: SignerVerdict | None,
    key_ids: frozenset[str],
    prompts: Sequence[InspectedPrompt],
) -> tuple[dict[str, Any], ...]:
    """What there is to look at, as JSON: each with its `kind`, what it `says`, and of a text its `prompt` and place."""
    all_findings = _iterate_findings(
        bundle=bundle, verdict=verdict, key_ids=key_ids, prompts=prompts
    )
    listed = list(islice(all_findings, MAX_FINDINGS))
    if next(all_findings, None) is not None:
        listed.append({"kind": "more", "says": f"only the first {MAX_FINDINGS} findings are kept"})
    return tuple(listed)


def _iterate_findings(
    *,
    bundle: Bundle,
    verdict: SignerVerdict | None,
    key_ids: frozenset[str],
    prompts: Sequence[InspectedPrompt],
) -> Iterator[dict[str, Any]]:
    for key_id in sorted(key_ids) if verdict is None or not verdict.is_known else ():
        yield {
            "kind": "unknown_key",
            "key_id": key_id,
            "says": f"nobody who is trusted here signed it; the key {key_id[:16]}… did",
        }
    if message := _explain_other_key(bundle, key_ids):
        yield {"kind": "other_key", "says": message}
    # What an admin has to decide comes first, so that no number of innocent marks hides it.
    for inspected in prompts:
        if inspected.withdrawn:
            yield {
                "kind": "withdrawn_here",
                "prompt": inspected.bundled_prompt.name,
                "says": f"these bytes were withdrawn here: {inspected.withdrawn}",
            }
        for position in inspected.hidden[:1]:
            yield _build_hidden_finding(inspected.bundled_prompt.name, position)
    for inspected in prompts:
        for position in inspected.hidden[1:]:
            yield _build_hidden_finding(inspected.bundled_prompt.name, position)
        for mark in inspected.marks:
            yield {
                "kind": mark.kind,
                "prompt": inspected.bundled_prompt.name,
                "line": mark.line,
                "column": mark.column,
                "says": f"{mark.name} at line {mark.line}, column {mark.column}",
            }


def _build_hidden_finding(name: str, position: HiddenCharacter) -> dict[str, Any]:
    return {
        "kind": "hidden_unicode",
        "prompt": name,
        "line": position.line,
        "column": position.column,
        "code_point": position.code_point,
        "says": f"{position.name} (U+{position.code_point:04X}) at line {position.line}, column {position.column}",
    }


def _explain_other_key(bundle: Bundle, key_ids: frozenset[str]) -> str:
    """Why the signers may not be who the bundle says: the issuer signed with other keys when it was last taken in."""
    issuer = bundle.issuer
    if issuer.installation == installation.get_installation_id():
        own_key_ids = frozenset(SigningKey.objects.values_list("key_id", flat=True))
        return (
            ""
            if own_key_ids & key_ids
            else "it says that this installation issued it, whose keys did not sign it"
        )
    newest = PromptProvenance.objects.filter(issuer=issuer.installation).order_by("-id").first()
    if newest is None:
        return ""
    signatures = BundleSignature.objects.filter(vault=newest.vault_id)
    if signatures.filter(key_id__in=key_ids).exists():
        return ""
    return f"bundles of {issuer.name} ({issuer.installation[:8]}…) were signed by other keys before"


def _find_other_matches(digests: Sequence[str], *, team: Team) -> dict[str, list[Prompt]]:
    prompts_by_digest: dict[str, list[Prompt]] = {}
    for batch in batched(dict.fromkeys(digests), 5_000):
        rows = Prompt.objects.filter(digest__in=batch).exclude(team=team).select_related("team")
        for prompt in rows.order_by("id"):
            prompts_by_digest.setdefault(prompt.digest, []).append(prompt)
    return prompts_by_digest


def _find_withdrawal_reasons(digests: Sequence[str]) -> dict[str, str]:
    """Why texts with these digests were withdrawn here."""
    reason_by_digest: dict[str, str] = {}
    for batch in batched(dict.fromkeys(digests), 5_000):
        rows = Tombstone.objects.filter(prompt__digest__in=batch)
        reason_by_digest.update(rows.values_list("prompt__digest", "reason"))
    return reason_by_digest
