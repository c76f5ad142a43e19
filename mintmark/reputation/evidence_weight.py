"""What an event counts for, and why, in one sentence."""

from mintmark.common import evidence_kinds
from mintmark.common.provenance import Provenance
from mintmark.evidence.claim_records import VerdictCounts

_REASONS = {
    Provenance.EXECUTED: "run by this installation",
    Provenance.VOUCHED: "an administrator vouches for {actor}",
    Provenance.CLAIM: "claimed by a team, with a verdict for each case",
    Provenance.WORD: "reported, and no case of it can be run again here",
    Provenance.INTERESTED: "reported by a team that wrote this prompt or one that it derives from",
    Provenance.NO_RIGHT: "reported by a team that has no right to this prompt",
}


def explain_weight(
    *,
    kind: evidence_kinds.EvidenceKind,
    provenance: Provenance,
    is_admissible: bool,
    weight: float | None,
    runs: int,
    actor: str,
    verdicts: VerdictCounts | None = None,
) -> str:
    """Such as "Counts as 0.8 of 1,000,000 runs: reported, and no case of it can be run again here."; `weight` is None
    before the event is projected, `verdicts` those on the claims of the reporting team."""
    if kind in evidence_kinds.REWEIGH:
        return "Sets what this team's claims count for, by what was run again."
    reason = _REASONS[provenance].format(actor=actor)
    if provenance >= Provenance.INTERESTED:
        return f"Counts as 0 for other teams: {reason}."
    if kind in evidence_kinds.OPINION:
        if not is_admissible:
            return "Counts as 0: whoever rates has used the prompt and did not write it."
        return "An opinion: it counts within the limit that measured runs set."
    if kind not in evidence_kinds.MEASURED:
        return f"Counts for this assistant's record: {reason}."
    if provenance == Provenance.CLAIM and verdicts is not None:
        reason = f"{reason}; {_format_verdicts(verdicts)}"
    if weight is None:
        return f"Not yet in the score: {reason}."
    if provenance <= Provenance.VOUCHED:
        return f"Counts in full: {reason}."
    return (
        f"Counts as {_format_runs(weight)} of {runs:,} {'run' if runs == 1 else 'runs'}: {reason}."
    )


def _format_verdicts(counts: VerdictCounts) -> str:
    if not counts.verdicts:
        return "none of its claims was run again yet, so they count as word"
    return f"its claims were run again {counts.verdicts} times, and held {counts.held} times"


def _format_runs(weight: float) -> str:
    return f"{max(0.0, weight):.0f}" if weight >= 10 else f"{max(0.0, weight):.2g}"
