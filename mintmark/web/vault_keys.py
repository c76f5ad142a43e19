"""The page of keys: those that sign here, those of others that count here, and the lists of what was withdrawn."""

from datetime import UTC, datetime, time
from typing import Any

from django.contrib import messages
from django.db.models import TextField, Value
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import dsse, errors, revocations
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.vault import identity, keys, withdrawals
from mintmark.vault.models import RevocationList, SigningKey, TrustedKey

from . import doors, parameters, refused, signers
from . import vaults as shelf

MAKE, ROTATE, REVOKE, TRUST, DISTRUST, TAKE = (
    "make", "rotate", "revoke", "trust", "distrust", "take",
)  # fmt: skip
LISTS_SHOWN = 20


@doors.form
def page(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/keys`; its buttons make, rotate, revoke, trust, distrust, and take a list in."""
    caller, now = doors.caller(request), timezone.now()
    refusal: errors.Refusal | None = None
    done = ""
    if request.method == "POST":
        done = parameters.choice(
            request.POST, "do", allowed=(MAKE, ROTATE, REVOKE, TRUST, DISTRUST, TAKE), default=MAKE
        )
        try:
            messages.success(request, _done(request, done, caller=caller, now=now))
        except errors.Refusal as refused_:
            refusal = refused_
        else:
            return redirect(_back(request))
    context = {
        **_shown(caller, now=now),
        "refusal": refusal,
        "refused_to": done,
        "advice": refused.advice(refusal.code) if refusal is not None and done == TAKE else None,
        "typed": {
            name: request.POST.get(name, "")[:400]
            for name in ("name", "key", "reason", "note", "expires")
        },
        "next": _next(request),
        "asked_key": request.GET.get("key", "")[:64],
    }
    return render(request, "web/vault_keys.html", context, status=422 if refusal else 200)


@doors.form
def withdrawn(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/withdrawals`: this installation's signed list, to hand to those who have its bundles."""
    doors.caller(request)
    raw = withdrawals.issued(now=timezone.now())
    return shelf.attached(raw, name="withdrawals.json", kind="application/json")


def _done(request: HttpRequest, done: str, *, caller: Caller, now: datetime) -> str:
    """Do what a button says; returns what was done, in words."""
    given = request.POST
    reason = given.get("reason", "").strip()
    if done == MAKE:
        made = keys.generate(
            caller=caller,
            team=shelf.signing_for(given.get("for", "")),
            now=now,
            expires_at=_expiry(given.get("expires", "")),
            note=given.get("note", "").strip(),
        )
        return f"{made.key_id[:16]}… signs from now on."
    if done == ROTATE:
        made = keys.rotate(caller=caller, key=_own(request, caller), now=now)
        return f"{made.key_id[:16]}… signs from now on. The old key signs no more; what it signed stays good."
    if done == REVOKE:
        gone = keys.revoke(caller=caller, key=_own(request, caller), reason=reason, now=now)
        return f"{gone.key_id[:16]}… is revoked: nothing that it signed counts any more. Hand out the withdrawal list."
    if done == TRUST:
        key_id = dsse.key_id(dsse.read_public_key(given.get("key", "").strip().encode()))
        trusted = keys.trust(
            caller=caller,
            key_id=key_id,
            name=given.get("name", "").strip(),
            reason=reason,
            now=now,
            expires_at=_expiry(given.get("expires", "")),
        )
        return f"What {trusted.name} signs counts here from now on."
    if done == DISTRUST:
        key = TrustedKey.objects.filter(pk=parameters.whole(given, "id") or 0).first()
        if key is None:
            raise errors.NotFound("There is no such key among those that are trusted here.")
        keys.distrust(caller=caller, key=key, reason=reason, now=now)
        return f"What {key.name} signs counts no more."
    return _taken(request, caller=caller, now=now)


def _taken(request: HttpRequest, *, caller: Caller, now: datetime) -> str:
    upload = request.FILES.get("file")
    if upload is None:
        raise errors.NotFound("No file came with it: choose one first.")
    raw = upload.read(revocations.LIMITS.size + 1)
    taken = SymbolicPromptTokenMarketplace().take_withdrawals(caller=caller, raw=raw, now=now)
    gone = taken.applied
    return (
        f"List {taken.sequence} was taken in: {gone} prompt{'' if gone == 1 else 's'} of here "
        f"{'is' if gone == 1 else 'are'} withdrawn by it."
    )


def _shown(caller: Caller, *, now: datetime) -> dict[str, Any]:
    own = list(keys.shown_to(caller=caller))
    return {
        "installation": identity.installation(),
        "own": [
            (
                key,
                signers.grouped(key.key_id),
                key.state(now=now),
                dsse.public_pem(key.key_id),
                _keeps(caller, key.team),
            )
            for key in own
        ],
        "others": [
            (key, signers.grouped(key.key_id), key.state(now=now))
            for key in TrustedKey.objects.select_related("trusted_by").order_by("-id")
        ],
        "keepers": [
            *([(shelf.HOUSE, "this installation")] if _keeps(caller, None) else []),
            *((str(team.pk), f"team {team.name}") for team in shelf.teams_of(caller, Role.AUTHOR)),
        ],
        "is_admin": caller.is_admin,
        "withdrawn": withdrawals.told().count(),
        "revoked": SigningKey.objects.filter(revoked_at__isnull=False).count(),
        "lists": RevocationList.objects.select_related("brought_by")
        .defer("envelope")
        .annotate(shown_issuer=Left("issuer", Value(8), output_field=TextField()))
        .order_by("-id")[:LISTS_SHOWN],
    }


def _keeps(caller: Caller, team: Team | None) -> bool:
    return caller.has_role(Role.AUTHOR, team_id=team.pk if team is not None else None)


def _own(request: HttpRequest, caller: Caller) -> SigningKey:
    number = parameters.whole(request.POST, "id") or 0
    found = keys.shown_to(caller=caller).filter(pk=number).first()
    if found is None:
        raise errors.NotFound(f"There is no key {number} that signs here.")
    return found


def _expiry(given: str) -> datetime | None:
    """The end of a day, in UTC; None where none was named."""
    if not given.strip():
        return None
    try:
        day = datetime.fromisoformat(given.strip()[:10]).date()
    except ValueError:
        raise parameters.BadParameter(
            name="expires", value=given, allowed="a day, such as 2027-12-31"
        ) from None
    return datetime.combine(day, time(23, 59, 59), tzinfo=UTC)


def _next(request: HttpRequest) -> str:
    asked = request.POST.get("next") or request.GET.get("next") or ""
    is_here = url_has_allowed_host_and_scheme(
        asked, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return asked if is_here else ""


def _back(request: HttpRequest) -> str:
    return _next(request) or "vault_keys"
