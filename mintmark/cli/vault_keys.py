"""`mintmark vault keys`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mintmark.common import errors

from . import bootstrap, output, resolve, vault_files

if TYPE_CHECKING:
    from mintmark.accounts.models import Team
    from mintmark.vault.models import SigningKey, TrustedKey

_MIN_PREFIX_LENGTH = 8
_MAX_KEY_BYTES = 10_000
_KEY_DIGITS = 64

_team_option = click.option(
    "--team", help="The team that it signs for; without one, the installation."
)
_note_option = click.option("--note", default="", help="What it is for.")
_days_option = click.option(
    "--days", type=click.IntRange(1, 36_500), help="For how many days it is valid."
)


@click.group()
def keys() -> None:
    """Manage the keys that sign here, and the trusted keys of others."""


@keys.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List the keys that sign here, newest first; never a private half."""
    bootstrap.open_database()
    from mintmark.vault import keys as signing

    rows = [_build_key_document(row) for row in signing.visible_to(caller=resolve.resolve_caller())]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["key", "signs for", "note", "made", "expires", "state"],
        rows=[
            [
                row["key_id"],
                f"team {row['team']}" if row["team"] else "the installation",
                row["note"],
                f"{row['made_at']:%Y-%m-%d}",
                f"{row['expires_at']:%Y-%m-%d}" if row["expires_at"] else "",
                row["state"],
            ]
            for row in rows
        ],
        empty="No key yet: the installation makes one with its first bundle, or `mintmark vault keys generate`.",
    )


@keys.command()
@_team_option
@_note_option
@_days_option
@output.json_option
def generate(*, team: str | None, note: str, days: int | None, as_json: bool) -> None:
    """Generate a key that signs from now on; its private half is kept encrypted."""
    bootstrap.open_database()
    from mintmark.vault import keys as signing

    now = datetime.now(UTC)
    row = signing.generate_key(
        caller=resolve.resolve_caller(), team=_resolve_team(team), now=now, expires_at=_compute_expiry(days, now=now),
        note=note,
    )  # fmt: skip
    _print_key(row, as_json=as_json)


@keys.command(name="add-file")
@click.argument("file", type=click.Path(path_type=Path))
@_team_option
@_note_option
@_days_option
@output.json_option
def add_file(*, file: Path, team: str | None, note: str, days: int | None, as_json: bool) -> None:
    """Sign with the private key in a PEM file; only its path is kept.

    The server and the worker read FILE each time that something is signed, and need the right to.
    """
    bootstrap.open_database()
    from mintmark.vault import keys as signing

    now = datetime.now(UTC)
    row = signing.register_key_file(
        caller=resolve.resolve_caller(), team=_resolve_team(team), path=str(file.absolute()), now=now,
        expires_at=_compute_expiry(days, now=now), note=note,
    )  # fmt: skip
    _print_key(row, as_json=as_json)


@keys.command()
@click.argument("key")
@output.json_option
def rotate(*, key: str, as_json: bool) -> None:
    """Replace KEY by a new key; KEY signs no more, what it signed stays valid.

    The first digits of KEY are enough.
    """
    bootstrap.open_database()
    from mintmark.vault import keys as signing

    row = signing.rotate_key(
        caller=resolve.resolve_caller(), key=_get_own_key(key), now=datetime.now(UTC)
    )
    _print_key(row, as_json=as_json)


@keys.command()
@click.argument("key")
@click.option("--reason", required=True, help="Why; others read it in the revocation list.")
@output.json_option
def revoke(*, key: str, reason: str, as_json: bool) -> None:
    """Revoke KEY: nothing that it signed counts any more. A second time changes nothing.

    Others learn it from `mintmark vault revoke issue`, or fetch it from the server.
    """
    bootstrap.open_database()
    from mintmark.vault import keys as signing

    row = signing.revoke_key(
        caller=resolve.resolve_caller(), key=_get_own_key(key), reason=reason, now=datetime.now(UTC)
    )
    _print_key(row, as_json=as_json)


@keys.command()
@click.argument("key")
@click.option("--name", required=True, help="Whose it is.")
@click.option("--reason", required=True, help="Why it counts from now on; kept.")
@_days_option
@output.json_option
def trust(*, key: str, name: str, reason: str, days: int | None, as_json: bool) -> None:
    """Trust a KEY of others: 64 hex digits, or a file with them or in PEM.

    First compare it with its owner over another channel than the one it came by.
    """
    bootstrap.open_database()
    from mintmark.signing import dsse
    from mintmark.vault import keys as signing

    now = datetime.now(UTC)
    is_id = len(key) == _KEY_DIGITS and not Path(key).exists()
    raw = key.lower().encode() if is_id else vault_files.read_file(key, max_bytes=_MAX_KEY_BYTES)
    row = signing.trust_key(
        caller=resolve.resolve_caller(), key_id=dsse.get_key_id(dsse.read_public_key(raw)), name=name, reason=reason,
        now=now, expires_at=_compute_expiry(days, now=now),
    )  # fmt: skip
    if as_json:
        output.print_json(_build_trusted_key_document(row))
    else:
        output.print_message(f"{row.key_id} counts from now on, as that of {row.name}.")


@keys.command()
@click.argument("key")
@click.option("--reason", required=True, help="Why; kept.")
@output.json_option
def distrust(*, key: str, reason: str, as_json: bool) -> None:
    """Trust KEY, of others, no more: nothing that it signs counts. A second time changes nothing."""
    bootstrap.open_database()
    from mintmark.vault import keys as signing
    from mintmark.vault.models import TrustedKey

    matches = list(TrustedKey.objects.filter(key_id__startswith=_parse_prefix(key))[:2])
    if len(matches) != 1:
        raise errors.NotFound(
            f"{_describe_count(matches)} begins with {key!r}: see `mintmark vault keys trusted`."
        )
    row = signing.distrust_key(
        caller=resolve.resolve_caller(), key=matches[0], reason=reason, now=datetime.now(UTC)
    )
    if as_json:
        output.print_json(_build_trusted_key_document(row))
    else:
        output.print_message(
            f"{row.key_id} of {row.name} counts no more since {row.revoked_at:%Y-%m-%d %H:%M}."
        )


@keys.command()
@output.json_option
def trusted(*, as_json: bool) -> None:
    """List the keys of others whose signatures count here, or once did, newest first."""
    bootstrap.open_database()
    from mintmark.vault.models import TrustedKey

    rows = [
        _build_trusted_key_document(row)
        for row in TrustedKey.objects.select_related("trusted_by").order_by("-id")
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["key", "of", "since", "by", "why", "state"],
        rows=[
            [
                row["key_id"],
                row["name"],
                f"{row['trusted_at']:%Y-%m-%d}",
                row["trusted_by"],
                row["reason"],
                row["state"],
            ]
            for row in rows
        ],
        empty="No key of others is trusted here yet: `mintmark vault keys trust` trusts one.",
    )


def _get_own_key(key: str) -> "SigningKey":
    """The key that signs here and begins so."""
    from mintmark.vault import keys as signing

    matches = list(
        signing.visible_to(caller=resolve.resolve_caller()).filter(
            key_id__startswith=_parse_prefix(key)
        )[:2]
    )
    if len(matches) != 1:
        raise errors.NotFound(
            f"{_describe_count(matches)} begins with {key!r}: see `mintmark vault keys list`."
        )
    return matches[0]


def _parse_prefix(key: str) -> str:
    prefix = key.rstrip("…").lower()
    if len(prefix) < _MIN_PREFIX_LENGTH:
        raise errors.NotFound(
            f"{key!r} is too short: name at least {_MIN_PREFIX_LENGTH} digits of the key."
        )
    return prefix


def _describe_count(matches: list[Any]) -> str:
    return "More than one key" if matches else "No key"


def _resolve_team(team: str | None) -> "Team | None":
    return resolve.resolve_team(name=team) if team is not None else None


def _compute_expiry(days: int | None, *, now: datetime) -> datetime | None:
    return now + timedelta(days=days) if days else None


def _print_key(row: "SigningKey", *, as_json: bool) -> None:
    document = _build_key_document(row)
    if as_json:
        output.print_json(document)
        return
    owner = f"team {document['team']}" if document["team"] else "the installation"
    output.print_message(f"{row.key_id} of {owner}: {document['state']}.")


def _build_key_document(row: "SigningKey") -> dict[str, Any]:
    from mintmark.signing import dsse

    return {
        "key_id": row.key_id,
        "team": row.team.name if row.team is not None else None,
        "note": row.note,
        "file": row.file or None,
        "made_by": row.made_by.name if row.made_by is not None else None,
        "made_at": row.made_at,
        "expires_at": row.expires_at,
        "state": row.state(now=datetime.now(UTC)),
        "revocation_reason": row.revocation_reason,
        "pem": dsse.export_pem(row.key_id),
    }


def _build_trusted_key_document(row: "TrustedKey") -> dict[str, Any]:
    return {
        "key_id": row.key_id,
        "name": row.name,
        "reason": row.reason,
        "trusted_by": row.trusted_by.name,
        "trusted_at": row.trusted_at,
        "expires_at": row.expires_at,
        "state": row.state(now=datetime.now(UTC)),
        "revocation_reason": row.revocation_reason,
    }
