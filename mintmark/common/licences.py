"""What a licence lets a buyer do with a text: the SPDX identifiers that a listing may name.

Facts from the licences' own summaries (choosealicense.com and creativecommons.org); not legal advice.
"""

from dataclasses import dataclass, replace

from mintmark.common import errors

PROPRIETARY = "LicenseRef-All-Rights-Reserved"
"""SPDX's form for a custom licence: the buyer may use the text and pass nothing on."""


class UnknownLicence(errors.DomainError):
    """A licence whose terms are not known here."""

    code = "unknown_licence"


@dataclass(frozen=True, slots=True, kw_only=True)
class LicencePermissions:
    """Whether changed texts may be passed on, whether they may be sold, whether they keep the licence; and whether the
    unchanged text may be passed on, and sold."""

    allows_forks: bool
    allows_sale_of_forks: bool
    forks_keep_licence: bool
    allows_redistribution: bool = True
    allows_sale: bool = True


_FREE = LicencePermissions(allows_forks=True, allows_sale_of_forks=True, forks_keep_licence=False)
_SHARE_ALIKE = LicencePermissions(
    allows_forks=True, allows_sale_of_forks=True, forks_keep_licence=True
)
_NO_FORKS = LicencePermissions(
    allows_forks=False, allows_sale_of_forks=False, forks_keep_licence=True
)
_NO_SALE = replace(_FREE, allows_sale_of_forks=False, allows_sale=False)
_NO_SALE_SHARE_ALIKE = replace(_SHARE_ALIKE, allows_sale_of_forks=False, allows_sale=False)
_NO_SALE_NO_FORKS = replace(_NO_FORKS, allows_sale=False)
_NOTHING = replace(_NO_SALE_NO_FORKS, allows_redistribution=False)

PERMISSIONS: dict[str, LicencePermissions] = {
    "Apache-2.0": _FREE,
    "BSD-2-Clause": _FREE,
    "BSD-3-Clause": _FREE,
    "CC-BY-4.0": _FREE,
    "CC-BY-NC-4.0": _NO_SALE,
    "CC-BY-NC-ND-4.0": _NO_SALE_NO_FORKS,
    "CC-BY-NC-SA-4.0": _NO_SALE_SHARE_ALIKE,
    "CC-BY-ND-4.0": _NO_FORKS,
    "CC-BY-SA-4.0": _SHARE_ALIKE,
    "CC0-1.0": _FREE,
    "GPL-3.0-only": _SHARE_ALIKE,
    "GPL-3.0-or-later": _SHARE_ALIKE,
    "ISC": _FREE,
    "MIT": _FREE,
    "MPL-2.0": _SHARE_ALIKE,
    "Unlicense": _FREE,
    PROPRIETARY: _NOTHING,
}


def get_permissions(licence: str) -> LicencePermissions:
    """The permissions of `licence`. Raises `UnknownLicence` if it is not in `PERMISSIONS`."""
    permissions = PERMISSIONS.get(licence)
    if permissions is None:
        raise UnknownLicence(
            f"The licence {licence[:64]!r} is not known here: choose one of {', '.join(PERMISSIONS)}."
        )
    return permissions


def get_permissions_or_default(licence: str) -> LicencePermissions:
    """The permissions of `licence`; for an unknown one, use only."""
    return PERMISSIONS.get(licence, PERMISSIONS[PROPRIETARY])
