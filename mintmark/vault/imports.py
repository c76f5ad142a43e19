"""Imports: a file is checked, waits in quarantine, and is refused or taken in; what is refused leaves the refusal."""

import hashlib
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import bundles, canonical_json, errors, licences, trust_roots
from mintmark.core.bundles import Opened
from mintmark.core.trust_roots import Verdict
from mintmark.registry import entitlements, prompts

from . import identity, inspection, keys, placing, vaults, withdrawals
from .inspection import Inspection
from .models import BundleImport

MOST_RUNS = 1_000
MOST_ROYALTIES = 64
_REASON_LENGTH = 1_000


class ImportDecided(errors.Refusal):
    """A file was taken in or refused before."""

    code = "import_decided"


class NotImportable(errors.OneOf):
    """A good bundle that can't be taken in here. `code` says why."""

    codes = frozenset(("licence_forbids", "too_many_royalties", "withdrawn"))


class InvalidRuns(errors.Refusal):
    """Foreign reputation can't count as so many runs."""

    code = "invalid_runs"


def receive(*, caller: Caller, team: Team, raw: bytes, now: datetime) -> BundleImport:
    """Check a file that somebody brought for a team, and keep it in quarantine or its refusal.

    It takes a person with the role author there. A bad file is no error: the row says `refused`, with code and reason.
    A file that waits, or was taken in, is that row again; one that was refused is checked anew.
    """
    _require_author(caller, team)
    digest = hashlib.sha256(raw).hexdigest()
    row = BundleImport(
        team=team, brought_by=caller.principal, brought_at=now, digest=digest, size=len(raw)
    )
    known = _known(row)
    if known is not None:
        return known
    try:
        opened, verdict = _checked(raw, now=now)
    except errors.Refusal as refusal:
        return _kept(_refused(row, refusal))
    row.state, row.envelope = BundleImport.State.WAITING, raw.decode("ascii")
    row.findings = list(_inspected(opened, verdict, team=team).findings)
    return _kept(row)


def refuse_unread(
    *, caller: Caller, team: Team, digest: str, size: int, now: datetime
) -> BundleImport:
    """Keep the refusal of a file that is larger than is taken, of which nobody read more than its SHA-256."""
    _require_author(caller, team)
    row = BundleImport(
        team=team, brought_by=caller.principal, brought_at=now, digest=digest, size=size
    )
    return _kept(_refused(row, canonical_json.too_large(size, limits=vaults.limits())))


def visible_to(*, caller: Caller) -> QuerySet[BundleImport]:
    """The imports that a caller may see: those of his teams; an admin or auditor sees all."""
    rows = BundleImport.objects.select_related("team", "brought_by", "decided_by", "vault")
    if not (caller.is_admin or caller.has_role(Role.AUDITOR, team_id=None)):
        rows = rows.filter(team__in=caller.team_ids)
    return rows.order_by("-id")


def named(*, caller: Caller, pk: int) -> BundleImport:
    """The import with this id, if the caller may see it."""
    found = visible_to(caller=caller).filter(pk=pk).first()
    if found is None:
        raise errors.NotFound(f"There is no import {pk}.")
    return found


def require_may_inspect(*, caller: Caller, one: BundleImport) -> None:
    """Refuse unless the caller may read what waits: whoever may decide on it (an auditor reads no private text)."""
    if not caller.has_role(Role.AUTHOR, team_id=one.team_id):
        raise errors.Forbidden(
            f"What a bundle holds is for the authors of team {one.team} and an admin."
        )


def inspected(one: BundleImport, *, now: datetime | None = None) -> Inspection:
    """What there is to see of a file that waits or was taken in; its keys are judged as of `now` (else: as of when it
    was brought). `NotFound` for one that was refused, of which nothing is left."""
    opened = bundles.opened(_raw(one), limits=vaults.limits())
    try:
        verdict, refusal = _judged(opened, now=now or one.brought_at), ""
    except errors.Refusal as worthless:
        return _inspected(opened, None, team=one.team, refusal=worthless.message)
    return _inspected(opened, verdict, team=one.team, refusal=refusal)


def refuse(*, caller: Caller, one: BundleImport, reason: str, now: datetime) -> BundleImport:
    """Refuse what waits, and keep nothing of it but the reason. It takes an author of its team, or an admin."""
    _require_author(caller, one.team)
    entitlements.check_reason(reason)
    with transaction.atomic():
        row = _waiting(one)
        _turn(row, code="refused", reason=reason, caller=caller, now=now)
    return row


def accept(
    *,
    caller: Caller,
    one: BundleImport,
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
    _require_author(caller, one.team)
    with transaction.atomic():
        row = _locked(one)
        if row.state == BundleImport.State.ACCEPTED:
            return row
        row = _waiting(row)
        # What its issuer withdrew, and whose signatures count, stays as it is until its prompts are here.
        identity.share_imports()
        keys.lock_to_trust()
        try:
            opened, verdict = _checked(row.envelope.encode(), now=now)
        except errors.Refusal as refusal:
            code, why = _said(refusal)
            _turn(row, code=code, reason=why, caller=caller, now=now)
            return row
        looked = _inspected(opened, verdict, team=row.team)
        _require_admin(caller, looked, reason=reason)
        weight = _runs(caller, runs, verdict)
        row.vault = placing.place(opened=opened, row=row, runs=weight, namespace=namespace, now=now)
        row.state, row.runs, row.reason = BundleImport.State.ACCEPTED, weight, reason
        row.envelope, row.findings = "", list(looked.findings)
        row.decided_by, row.decided_at = caller.principal, now
        row.save()
    return row


def _refused(row: BundleImport, refusal: errors.Refusal) -> BundleImport:
    row.state, row.decided_at = BundleImport.State.REFUSED, row.brought_at
    row.code, row.reason = _said(refusal)
    return row


def _kept(row: BundleImport) -> BundleImport:
    """The row as it is kept: the one of whoever brought the same file in this moment, if somebody did."""
    with transaction.atomic():
        # One file after another for a team, without holding up who only refers to the team.
        Team.objects.select_for_update(no_key=True).get(pk=row.team_id)
        found = _known(row)
        if found is None and row.state == BundleImport.State.REFUSED:
            same = BundleImport.objects.filter(team=row.team, digest=row.digest)
            found = same.filter(code=row.code, reason=row.reason).order_by("-id").first()
        if found is not None:
            return found
        row.save(force_insert=True)
    return row


def _known(row: BundleImport) -> BundleImport | None:
    """The import of the same file for the same team that waits or was taken in."""
    same = BundleImport.objects.filter(team=row.team, digest=row.digest)
    return same.exclude(state=BundleImport.State.REFUSED).order_by("-id").first()


def _checked(raw: bytes, *, now: datetime) -> tuple[Opened, Verdict]:
    """Everything that can refuse a file, in the order that costs least: size, envelope, signatures, digests,
    keys, what its issuer withdrew, licences, names."""
    opened = bundles.opened(raw, limits=vaults.limits())
    verdict = _judged(opened, now=now)
    _check_standing(opened.bundle)
    _check_terms(opened.bundle)
    problems = prompts.problems(drafts=placing.drafts(opened.bundle))
    if problems:
        raise prompts.InvalidPrompt(
            f"{opened.bundle.prompts[problems[0]['row']].name}: {problems[0]['message']}"
        )
    return opened, verdict


def _judged(opened: Opened, *, now: datetime) -> Verdict:
    return trust_roots.judge(
        key_ids=opened.key_ids, roots=keys.roots(), threshold=settings.VAULT_THRESHOLD, now=now
    )


def _check_standing(bundle: bundles.Bundle) -> None:
    """Its issuer may have withdrawn it since, and said so in a list that was taken in here."""
    gone = withdrawals.withdrawn(issuer=bundle.issuer.installation)
    for prompt in bundle.prompts:
        if prompt.digest in gone:
            raise NotImportable(
                "withdrawn", f"{bundle.issuer.name} withdrew {prompt.name}: {gone[prompt.digest]}"
            )


def _check_terms(bundle: bundles.Bundle) -> None:
    """Whoever tells a text that is not his own needs a licence that lets him pass it on."""
    for prompt in bundle.prompts:
        if len(prompt.royalties) > MOST_ROYALTIES:
            raise NotImportable(
                "too_many_royalties",
                f"{prompt.name} owes {len(prompt.royalties)} royalties; {MOST_ROYALTIES} are taken.",
            )
        if prompt.rights == "author":
            continue
        if not licences.allowed(prompt.licence).allows_passing_on:
            raise NotImportable(
                "licence_forbids",
                f"{prompt.name} was {prompt.rights.replace('_', ' ')}, and its licence "
                f"({prompt.licence or 'none is named'}) does not let the text be passed on.",
            )


def _inspected(
    opened: Opened, verdict: Verdict | None, *, team: Team, refusal: str = ""
) -> Inspection:
    texts = inspection.seen(opened.bundle, team=team)
    return Inspection(
        bundle=opened.bundle,
        verdict=verdict,
        refusal=refusal,
        signers=inspection.signers(opened.key_ids),
        prompts=texts,
        findings=inspection.findings(
            bundle=opened.bundle, verdict=verdict, key_ids=opened.key_ids, prompts=texts
        ),
    )


def _require_author(caller: Caller, team: Team) -> None:
    caller.require_scope("market")
    if caller.is_assistant:
        raise errors.Forbidden("A bundle is taken in by a person; an assistant may not.")
    if not caller.has_role(Role.AUTHOR, team_id=team.pk):
        raise errors.Forbidden(f"Bringing bundles to team {team} takes its role 'author'.")


def _require_admin(caller: Caller, looked: Inspection, *, reason: str) -> None:
    if looked.needs_admin and not caller.is_admin:
        what = next(f for f in looked.findings if f["kind"] in inspection.BLOCKING)
        where = f"{what['prompt']}: " if "prompt" in what else ""
        raise errors.Forbidden(f"Taking this in takes an admin: {where}{what['says']}.")
    if reason or looked.needs_admin:
        entitlements.check_reason(reason)


def _runs(caller: Caller, runs: int | None, verdict: Verdict) -> int:
    usual = settings.FOREIGN_RUNS if verdict.is_known else 0
    if runs is None:
        return int(usual)
    if not 0 <= runs <= MOST_RUNS:
        raise InvalidRuns(f"Its reputation can't count as {runs} runs: say 0 to {MOST_RUNS:,}.")
    if runs > usual and not caller.is_admin:
        raise errors.Forbidden(
            f"Letting its reputation count as {runs} runs takes an admin; others may say up to {usual}."
        )
    return runs


def _raw(one: BundleImport) -> bytes:
    if one.state == BundleImport.State.REFUSED:
        raise errors.NotFound(f"Import {one.pk} was refused, and nothing of it was kept.")
    if one.vault is not None:
        return one.vault.symbolic_signature.encode()
    return one.envelope.encode()


def _locked(one: BundleImport) -> BundleImport:
    rows = BundleImport.objects.select_related("team", "brought_by__team")
    return rows.select_for_update(of=("self",)).get(pk=one.pk)


def _waiting(one: BundleImport) -> BundleImport:
    row = _locked(one)
    if row.state != BundleImport.State.WAITING:
        done = "taken in" if row.state == BundleImport.State.ACCEPTED else "refused"
        raise ImportDecided(f"Import {row.pk} was {done} before; bring the file again.")
    return row


def _turn(row: BundleImport, *, code: str, reason: str, caller: Caller, now: datetime) -> None:
    """Keep the refusal, and nothing of what waited."""
    row.state, row.code, row.reason = BundleImport.State.REFUSED, code, reason
    row.envelope, row.findings = "", []
    row.decided_by, row.decided_at = caller.principal, now
    row.save()


def _said(refusal: errors.Refusal) -> tuple[str, str]:
    """Code and message of a refusal as they are kept; whatever a file put into a message is shown as text."""
    shown = "".join(c if c.isprintable() else "�" for c in refusal.message)
    return refusal.code, shown[:_REASON_LENGTH]
