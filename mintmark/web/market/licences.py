"""Licences in plain words: what each lets a buyer do with a text."""

from mintmark.common import licences
from mintmark.common.licences import LicencePermissions


def get_name(identifier: str) -> str:
    """What a licence is called; its identifier, but for the one that is a house's own."""
    return "all rights reserved" if identifier == licences.PROPRIETARY else identifier


def list_choices(*, only: str = "") -> list[tuple[str, str]]:
    """Every licence that a listing may name (or `only` the one that a text is under): identifier and what it allows."""
    known = (
        {only: licences.PERMISSIONS[only]} if only in licences.PERMISSIONS else licences.PERMISSIONS
    )
    freest_last = sorted(
        known.items(),
        key=lambda pair: (_rank_freedom(pair[1]), pair[0] != licences.PROPRIETARY, pair[0]),
    )
    return [
        (identifier, f"{get_name(identifier)}: {describe_terms(terms)}")
        for identifier, terms in freest_last
    ]


def describe_permissions(identifier: str) -> str:
    """What a licence allows a buyer; one that is not known here allows use alone."""
    return describe_terms(licences.get_permissions_or_default(identifier))


def describe_terms(terms: LicencePermissions) -> str:
    """The terms of a licence as one sentence about the buyer."""
    if not terms.allows_forks:
        return "buyers may use it but not pass on changed texts"
    same_licence_note = ", under the same licence" if terms.forks_keep_licence else ""
    if not terms.allows_sale_of_forks:
        return f"buyers may fork it but not sell the fork{same_licence_note}"
    return f"buyers may fork it and sell the fork{same_licence_note}"


def _rank_freedom(terms: LicencePermissions) -> int:
    return 4 * terms.allows_forks + 2 * terms.allows_sale_of_forks - terms.forks_keep_licence
