"""What a score's runs come from, as one bar of up to four parts."""

from dataclasses import dataclass

from mintmark.reputation.results import ProvenanceShares

_PARTS = (
    ("executed", "run by this installation"),
    ("claimed", "claimed, and re-run in part"),
    ("word", "reported, unchecked"),
    ("opinion", "opinion"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenancePart:
    """One part of the bar: where it starts and how wide it is, in percent, and what it stands for."""

    name: str
    label: str
    share: float
    left: float
    width: float


def build_parts(shares: ProvenanceShares) -> list[ProvenancePart]:
    """The parts above one half of a percent, from left to right; none where nothing was recorded."""
    parts, left = [], 0.0
    for name, label in _PARTS:
        share = getattr(shares, name)
        width = 100.0 * share
        if share >= 0.005:
            parts.append(
                ProvenancePart(
                    name=name, label=label, share=share, left=round(left, 2), width=round(width, 2)
                )
            )
        left += width
    return parts
