"""Imports: a file is checked, waits in quarantine, and is refused or taken in; what is refused leaves the refusal."""

import hashlib
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors, licences
from mintmark.registry import entitlements, prompts
from mintmark.signing import bundles, canonical_json, key_policy
from mintmark.signing.bundles import VerifiedBundle
from mintmark.signing.key_policy import SignerVerdict

from . import bundle_registration, bundle_store, inspection, installation, keys, revocation_lists
from .inspection import Inspection
from .models import BundleImport

MAX_RUNS = 1_000
MAX_ROYALTIES = 64
_MAX_REASON_LENGTH = 1_000


class ImportDecided(errors.DomainError):
    """A file was taken in or refused before."""

    code = "import_decided"


class NotImportable(errors.CodedError):
    """A good bundle that can't be taken in here. `code` says why."""

    codes = frozenset(("licence_forbids", "too_many_royalties", "prompt_withdrawn"))


class InvalidRuns(errors.DomainError):
    """Foreign reputation can't count as so many runs."""

    code = "invalid_runs"


def receive_bundle(*, caller: Caller, team: Team, raw: bytes, now: datetime) -> BundleImport:
    """Check a file that somebody brought for a team, and keep it in quarantine or its refusal.

    It takes a person with the role author there. A bad file is no error: the row says `refused`, with code and reason.
    A file that waits, or was taken in, is that row again; one that was refused is checked anew.
    """
    _require_author(caller, team)
    digest = hashlib.sha256(raw).hexdigest()
    row = BundleImport(
        team=team, brought_by=caller.principal, brought_at=now, digest=digest, size=len(raw)
    )
    existing = _find_existing(row)
    if existing is not None:
        return existing
    try:
        verified, verdict = _validate(raw, now=now)
    except errors.DomainError as error:
        return _save_once(_set_refused(row, error))
    row.state, row.envelope = BundleImport.State.WAITING, raw.decode("ascii")
    row.findings = list(_build_inspection(verified, verdict, team=team).findings)
    return _save_once(row)


def refuse_oversized(
    *, caller: Caller, team: Team, digest: str, size: int, now: datetime
) -> BundleImport:
    """Keep the refusal of a file that is larger than is taken, of which nobody read more than its SHA-256."""
    _require_author(caller, team)
    row = BundleImport(
        team=team, brought_by=caller.principal, brought_at=now, digest=digest, size=size
    )
    return _save_once(
        _set_refused(
            row, canonical_json.build_too_large_error(size, limits=bundle_store.get_limits())
        )
    )


def visible_to(*, caller: Caller) -> QuerySet[BundleImport]:
    """The imports that a caller may see: those of their teams; an admin or auditor sees all."""
    rows = BundleImport.objects.select_related("team", "brought_by", "decided_by", "vault")
    if not (caller.is_admin or caller.has_role(Role.AUDITOR, team_id=None)):
        rows = rows.filter(team__in=caller.team_ids)
    return rows.order_by("-id")


def get_import(*, caller: Caller, pk: int) -> BundleImport:
    """The import with this id, if the caller may see it."""
    bundle_import = visible_to(caller=caller).filter(pk=pk).first()
    if bundle_import is None:
        raise errors.NotFound(f"There is no import {pk}.")
    return bundle_import


def require_may_inspect(*, caller: Caller, bundle_import: BundleImport) -> None:
    """Refuse unless the caller may read what waits: whoever may decide on it (an auditor reads no private text)."""
    if not caller.has_role(Role.AUTHOR, team_id=bundle_import.team_id):
        raise errors.Forbidden(
            f"What a bundle holds is for the authors of team {bundle_import.team} and an admin."
        )


def inspect_import(bundle_import: BundleImport, *, now: datetime | None = None) -> Inspection:
    """What there is to see of a file that waits or was taken in; its keys are judged as of `now` (else: as of when it
    was brought). `NotFound` for one that was refused, of which nothing is left."""
    verified = bundles.verify(_load_envelope(bundle_import), limits=bundle_store.get_limits())
    try:
        verdict, refusal = _evaluate_signers(verified, now=now or bundle_import.brought_at), ""
    except errors.DomainError as error:
        return _build_inspection(verified, None, team=bundle_import.team, refusal=error.message)
    return _build_inspection(verified, verdict, team=bundle_import.team, refusal=refusal)


def refuse_import(
    *, caller: Caller, bundle_import: BundleImport, reason: str, now: datetime
) -> BundleImport:
    """Refuse what waits, and keep nothing of it but the reason. It takes an author of its team, or an admin."""
    _require_author(caller, bundle_import.team)
    entitlements.check_reason(reason)
    with transaction.atomic():
        row = _lock_waiting(bundle_import)
        _mark_refused(row, code="refused", reason=reason, caller=caller, now=now)
    return row


def accept_import(
    *,
    caller: Caller,
    bundle_import: BundleImport,
    reason: str,
    runs: int | None,
    namespace: str | None,
    now: datetime,
) -> BundleImport:
    """Take in what waits, all of it or nothing; the same again changes nothing.

    The file itself is checked anew, with the keys as they are trusted now: where it no longer stands, the row that is
    returned says `refused`. It takes an author of the team, or an admin; an admin alone, with a reason, where nobody
    who is trusted signed it, its issuer's key is another than before, or a text hides characters or was withdrawn
    here. `runs` is the number of runs as which its reputation counts at most (None: as the settings say; 0 of whom
    nobody knows); more than the settings say takes an admin. `namespace` puts its lines there.

    Raises `Forbidden`, `ImportDecided`, `InvalidRuns`, `InvalidReason`, `placing.LineTaken`, `prompts.InvalidPrompt`.
    """
    _require_author(caller, bundle_import.team)
    with transaction.atomic():
        row = _lock(bundle_import)
        if row.state == BundleImport.State.ACCEPTED:
            return row
        row = _lock_waiting(row)
        # What its issuer withdrew, and whose signatures count, stays as it is until its prompts are here.
        installation.share_imports()
        keys.lock_to_trust()
        try:
            verified, verdict = _validate(row.envelope.encode(), now=now)
        except errors.DomainError as error:
            code, message = _get_error_fields(error)
            _mark_refused(row, code=code, reason=message, caller=caller, now=now)
            return row
        import_inspection = _build_inspection(verified, verdict, team=row.team)
        _require_admin(caller, import_inspection, reason=reason)
        weight = _resolve_runs(caller, runs, verdict)
        row.vault = bundle_registration.register_bundle(
            verified=verified, row=row, runs=weight, namespace=namespace, now=now
        )
        row.state, row.runs, row.reason = BundleImport.State.ACCEPTED, weight, reason
        row.envelope, row.findings = "", list(import_inspection.findings)
        row.decided_by, row.decided_at = caller.principal, now
        row.save()
    return row


def _set_refused(row: BundleImport, error: errors.DomainError) -> BundleImport:
    row.state, row.decided_at = BundleImport.State.REFUSED, row.brought_at
    row.code, row.reason = _get_error_fields(error)
    return row


def _save_once(row: BundleImport) -> BundleImport:
    """The row as it is kept: the one of whoever brought the same file in this moment, if somebody did."""
    with transaction.atomic():
        # One file after another for a team, without holding up who only refers to the team.
        Team.objects.select_for_update(no_key=True).get(pk=row.team_id)
        existing = _find_existing(row)
        if existing is None and row.state == BundleImport.State.REFUSED:
            same = BundleImport.objects.filter(team=row.team, digest=row.digest)
            existing = same.filter(code=row.code, reason=row.reason).order_by("-id").first()
        if existing is not None:
            return existing
        row.save(force_insert=True)
    return row


def _find_existing(row: BundleImport) -> BundleImport | None:
    """The import of the same file for the same team that waits or was taken in."""
    same = BundleImport.objects.filter(team=row.team, digest=row.digest)
    return same.exclude(state=BundleImport.State.REFUSED).order_by("-id").first()


def _validate(raw: bytes, *, now: datetime) -> tuple[VerifiedBundle, SignerVerdict]:
    """Everything that can refuse a file, in the order that costs least: size, envelope, signatures, digests,
    keys, what its issuer withdrew, licences, names."""
    verified = bundles.verify(raw, limits=bundle_store.get_limits())
    verdict = _evaluate_signers(verified, now=now)
    _check_not_withdrawn(verified.bundle)
    _check_licences(verified.bundle)
    problems = prompts.find_problems(drafts=bundle_registration.build_drafts(verified.bundle))
    if problems:
        raise prompts.InvalidPrompt(
            f"{verified.bundle.prompts[problems[0]['row']].name}: {problems[0]['message']}"
        )
    return verified, verdict


def _evaluate_signers(verified: VerifiedBundle, *, now: datetime) -> SignerVerdict:
    return key_policy.evaluate_signers(
        key_ids=verified.key_ids,
        roots=keys.list_trust_roots(),
        threshold=settings.VAULT_THRESHOLD,
        now=now,
    )


def _check_not_withdrawn(bundle: bundles.Bundle) -> None:
    """Its issuer may have withdrawn it since, and said so in a list that was taken in here."""
    reasons_by_digest = revocation_lists.get_withdrawal_reasons(issuer=bundle.issuer.installation)
    for prompt in bundle.prompts:
        if prompt.digest in reasons_by_digest:
            raise NotImportable(
                "prompt_withdrawn",
                f"{bundle.issuer.name} withdrew {prompt.name}: {reasons_by_digest[prompt.digest]}",
            )


def _check_licences(bundle: bundles.Bundle) -> None:
    """Whoever exports a text that is not their own needs a licence that lets them pass it on."""
    for prompt in bundle.prompts:
        if len(prompt.royalties) > MAX_ROYALTIES:
            raise NotImportable(
                "too_many_royalties",
                f"{prompt.name} owes {len(prompt.royalties)} royalties; {MAX_ROYALTIES} are taken.",
            )
        if prompt.rights == "author":
            continue
        if not licences.get_permissions_or_default(prompt.licence).allows_redistribution:
            raise NotImportable(
                "licence_forbids",
                f"{prompt.name} was {prompt.rights.replace('_', ' ')}, and its licence "
                f"({prompt.licence or 'none is named'}) does not let the text be passed on.",
            )


def _build_inspection(
    verified: VerifiedBundle, verdict: SignerVerdict | None, *, team: Team, refusal: str = ""
) -> Inspection:
    texts = inspection.inspect_prompts(verified.bundle, team=team)
    return Inspection(
        bundle=verified.bundle,
        verdict=verdict,
        refusal=refusal,
        signers=inspection.find_signers(verified.key_ids),
        prompts=texts,
        findings=inspection.list_findings(
            bundle=verified.bundle, verdict=verdict, key_ids=verified.key_ids, prompts=texts
        ),
    )


def _require_author(caller: Caller, team: Team) -> None:
    caller.require_scope("market")
    if caller.is_assistant:
        raise errors.Forbidden("A bundle is taken in by a person; an assistant may not.")
    if not caller.has_role(Role.AUTHOR, team_id=team.pk):
        raise errors.Forbidden(f"Bringing bundles to team {team} takes its role 'author'.")


def _require_admin(caller: Caller, import_inspection: Inspection, *, reason: str) -> None:
    if import_inspection.needs_admin and not caller.is_admin:
        finding = next(
            candidate
            for candidate in import_inspection.findings
            if candidate["kind"] in inspection.BLOCKING_FINDINGS
        )
        prefix = f"{finding['prompt']}: " if "prompt" in finding else ""
        raise errors.Forbidden(f"Taking this in takes an admin: {prefix}{finding['says']}.")
    if reason or import_inspection.needs_admin:
        entitlements.check_reason(reason)


def _resolve_runs(caller: Caller, runs: int | None, verdict: SignerVerdict) -> int:
    default_runs = settings.IMPORTED_REPUTATION_RUNS if verdict.is_known else 0
    if runs is None:
        return int(default_runs)
    if not 0 <= runs <= MAX_RUNS:
        raise InvalidRuns(f"Its reputation can't count as {runs} runs: say 0 to {MAX_RUNS:,}.")
    if runs > default_runs and not caller.is_admin:
        raise errors.Forbidden(
            f"Letting its reputation count as {runs} runs takes an admin; others may say up to {default_runs}."
        )
    return runs


def _load_envelope(bundle_import: BundleImport) -> bytes:
    if bundle_import.state == BundleImport.State.REFUSED:
        raise errors.NotFound(f"Import {bundle_import.pk} was refused, and nothing of it was kept.")
    if bundle_import.vault is not None:
        return bundle_import.vault.symbolic_signature.encode()
    return bundle_import.envelope.encode()


def _lock(bundle_import: BundleImport) -> BundleImport:
    rows = BundleImport.objects.select_related("team", "brought_by__team")
    return rows.select_for_update(of=("self",)).get(pk=bundle_import.pk)


def _lock_waiting(bundle_import: BundleImport) -> BundleImport:
    row = _lock(bundle_import)
    if row.state != BundleImport.State.WAITING:
        decision = "taken in" if row.state == BundleImport.State.ACCEPTED else "refused"
        raise ImportDecided(f"Import {row.pk} was {decision} before; bring the file again.")
    return row


def _mark_refused(
    row: BundleImport, *, code: str, reason: str, caller: Caller, now: datetime
) -> None:
    """Keep the refusal, and nothing of what waited."""
    row.state, row.code, row.reason = BundleImport.State.REFUSED, code, reason
    row.envelope, row.findings = "", []
    row.decided_by, row.decided_at = caller.principal, now
    row.save()


def _get_error_fields(error: errors.DomainError) -> tuple[str, str]:
    """Code and message of a refusal as they are kept; whatever a file put into a message is shown as text."""
    printable = "".join(
        character if character.isprintable() else "�" for character in error.message
    )
    return error.code, printable[:_MAX_REASON_LENGTH]
