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
from mintmark.common import errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.signing import dsse, revocation_list
from mintmark.vault import installation, keys, revocation_lists
from mintmark.vault.models import RevocationList, SigningKey, TrustedKey

from .. import decorators, query_params
from . import bundle_list as shelf
from . import import_error_help, signer_display

CREATE, ROTATE, REVOKE, TRUST, DISTRUST, APPLY_LIST = (
    "make", "rotate", "revoke", "trust", "distrust", "take",
)  # fmt: skip
LISTS_SHOWN = 20


@decorators.form_view
def manage_keys(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/keys`; its buttons make, rotate, revoke, trust, distrust, and take a list in."""
    caller, now = decorators.get_caller(request), timezone.now()
    failure: errors.DomainError | None = None
    action = ""
    if request.method == "POST":
        action = query_params.parse_choice(
            request.POST,
            "do",
            allowed=(CREATE, ROTATE, REVOKE, TRUST, DISTRUST, APPLY_LIST),
            default=CREATE,
        )
        try:
            messages.success(request, _apply_action(request, action, caller=caller, now=now))
        except errors.DomainError as error:
            failure = error
        else:
            return redirect(_get_return_url(request))
    context = {
        **_build_context(caller, now=now),
        "refusal": failure,
        "refused_to": action,
        "advice": import_error_help.get_advice(failure.code)
        if failure is not None and action == APPLY_LIST
        else None,
        "typed": {
            name: request.POST.get(name, "")[:400]
            for name in ("name", "key", "reason", "note", "expires")
        },
        "next": _get_next_url(request),
        "asked_key": request.GET.get("key", "")[:64],
    }
    return render(request, "web/vault_keys.html", context, status=422 if failure else 200)


@decorators.form_view
def download_revocation_list(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/withdrawals`: this installation's signed list, to hand to those who have its bundles."""
    decorators.get_caller(request)
    raw = revocation_lists.build_revocation_list(now=timezone.now())
    return shelf.build_download(raw, name="withdrawals.json", content_type="application/json")


def _apply_action(request: HttpRequest, action: str, *, caller: Caller, now: datetime) -> str:
    """Do what a button says; returns what was done, in words."""
    data = request.POST
    reason = data.get("reason", "").strip()
    if action == CREATE:
        signing_key = keys.generate_key(
            caller=caller,
            team=shelf.parse_signing_team(data.get("for", "")),
            now=now,
            expires_at=_parse_expiry(data.get("expires", "")),
            note=data.get("note", "").strip(),
        )
        return f"{signing_key.key_id[:16]}… signs from now on."
    if action == ROTATE:
        signing_key = keys.rotate_key(caller=caller, key=_get_own_key(request, caller), now=now)
        return f"{signing_key.key_id[:16]}… signs from now on. The old key no longer signs; its signatures stay valid."
    if action == REVOKE:
        revoked_key = keys.revoke_key(
            caller=caller, key=_get_own_key(request, caller), reason=reason, now=now
        )
        return (
            f"{revoked_key.key_id[:16]}… was revoked, so its signatures are invalid. "
            "Publish the revocation list."
        )
    if action == TRUST:
        key_id = dsse.get_key_id(dsse.read_public_key(data.get("key", "").strip().encode()))
        trusted_key = keys.trust_key(
            caller=caller,
            key_id=key_id,
            name=data.get("name", "").strip(),
            reason=reason,
            now=now,
            expires_at=_parse_expiry(data.get("expires", "")),
        )
        return f"The key of {trusted_key.name} is trusted now."
    if action == DISTRUST:
        key = TrustedKey.objects.filter(pk=query_params.parse_integer(data, "id") or 0).first()
        if key is None:
            raise errors.NotFound("This key is not among the trusted keys.")
        keys.distrust_key(caller=caller, key=key, reason=reason, now=now)
        return f"The key of {key.name} is no longer trusted."
    return _apply_revocation_list(request, caller=caller, now=now)


def _apply_revocation_list(request: HttpRequest, *, caller: Caller, now: datetime) -> str:
    upload = request.FILES.get("file")
    if upload is None:
        raise errors.NotFound("Choose a file first.")
    raw = upload.read(revocation_list.LIMITS.size + 1)
    taken_list = SymbolicPromptTokenMarketplace().apply_revocation_list(
        caller=caller, raw=raw, now=now
    )
    withdrawn_count = taken_list.applied
    return (
        f"List {taken_list.sequence} was imported: {withdrawn_count} prompt{'' if withdrawn_count == 1 else 's'} "
        f"here {'is' if withdrawn_count == 1 else 'are'} revoked by it."
    )


def _build_context(caller: Caller, *, now: datetime) -> dict[str, Any]:
    own_keys = list(keys.visible_to(caller=caller))
    return {
        "installation": installation.get_installation_id(),
        "own": [
            (
                key,
                signer_display.group_digits(key.key_id),
                key.state(now=now),
                dsse.export_pem(key.key_id),
                _may_manage(caller, key.team),
            )
            for key in own_keys
        ],
        "others": [
            (key, signer_display.group_digits(key.key_id), key.state(now=now))
            for key in TrustedKey.objects.select_related("trusted_by").order_by("-id")
        ],
        "keepers": [
            *([(shelf.INSTALLATION, "this installation")] if _may_manage(caller, None) else []),
            *(
                (str(team.pk), f"team {team.name}")
                for team in shelf.list_teams_with_role(caller, Role.AUTHOR)
            ),
        ],
        "is_admin": caller.is_admin,
        "withdrawn": revocation_lists.list_withdrawn_after_export().count(),
        "revoked": SigningKey.objects.filter(revoked_at__isnull=False).count(),
        "lists": RevocationList.objects.select_related("brought_by")
        .defer("envelope")
        .annotate(shown_issuer=Left("issuer", Value(8), output_field=TextField()))
        .order_by("-id")[:LISTS_SHOWN],
    }


def _may_manage(caller: Caller, team: Team | None) -> bool:
    return caller.has_role(Role.AUTHOR, team_id=team.pk if team is not None else None)


def _get_own_key(request: HttpRequest, caller: Caller) -> SigningKey:
    key_id = query_params.parse_integer(request.POST, "id") or 0
    signing_key = keys.visible_to(caller=caller).filter(pk=key_id).first()
    if signing_key is None:
        raise errors.NotFound(f"This installation has no signing key {key_id}.")
    return signing_key


def _parse_expiry(text: str) -> datetime | None:
    """The end of a day, in UTC; None where none was named."""
    if not text.strip():
        return None
    try:
        day = datetime.fromisoformat(text.strip()[:10]).date()
    except ValueError:
        raise query_params.BadParameter(
            name="expires", value=text, allowed="a date, such as 2027-12-31"
        ) from None
    return datetime.combine(day, time(23, 59, 59), tzinfo=UTC)


def _get_next_url(request: HttpRequest) -> str:
    url = request.POST.get("next") or request.GET.get("next") or ""
    is_here = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_here else ""


def _get_return_url(request: HttpRequest) -> str:
    return _get_next_url(request) or "vault_keys"
