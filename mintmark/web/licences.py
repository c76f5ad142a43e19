"""Licences in plain words: what each lets a buyer do with a text."""

from mintmark.core import licences
from mintmark.core.licences import Terms


def name(identifier: str) -> str:
    """What a licence is called; its identifier, but for the one that is a house's own."""
    return "all rights reserved" if identifier == licences.PROPRIETARY else identifier


def choices(*, only: str = "") -> list[tuple[str, str]]:
    """Every licence that a listing may name (or `only` the one that a text is under): identifier and what it allows."""
    known = {only: licences.KNOWN[only]} if only in licences.KNOWN else licences.KNOWN
    freest_last = sorted(
        known.items(),
        key=lambda pair: (_freedom(pair[1]), pair[0] != licences.PROPRIETARY, pair[0]),
    )
    return [
        (identifier, f"{name(identifier)}: {words(terms)}") for identifier, terms in freest_last
    ]


def allowed_by(identifier: str) -> str:
    """What a licence allows a buyer; one that is not known here allows use alone."""
    return words(licences.allowed(identifier))


def words(terms: Terms) -> str:
    """The terms of a licence as one sentence about the buyer."""
    if not terms.allows_forks:
        return "buyers use it and pass no changed text on"
    kept = ", under the same licence" if terms.forks_keep_it else ""
    if not terms.allows_sale_of_forks:
        return f"buyers may fork it, not sell the fork{kept}"
    return f"buyers may fork it and sell the fork{kept}"


def _freedom(terms: Terms) -> int:
    return 4 * terms.allows_forks + 2 * terms.allows_sale_of_forks - terms.forks_keep_it
