"""Quarantine: the page that takes a file in, and the one where a person looks at what it holds and decides."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core import bundles, errors
from mintmark.core.reputation_policy import ReputationPolicy
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry.models import Prompt
from mintmark.reputation import policies
from mintmark.reputation.answers import Estimate
from mintmark.vault import imports, inspection
from mintmark.vault.inspection import Inspection, Seen
from mintmark.vault.models import BundleImport

from . import bundle, doors, inert, licences, parameters, refused, signers
from . import vaults as shelf
from .inert import Part

PROMPTS_A_PAGE = 10
ELSEWHERE_SHOWN = 5
ACCEPT, REFUSE = "accept", "refuse"
_WEIGHTS = (0, 10, 50)
_HEARD = {
    "unknown_key": "unknown key",
    "other_key": "another key than before",
    "hidden_unicode": "hidden characters",
    "withdrawn_here": "withdrawn here",
    "secret": "may be a secret",
    "injection": "may seize the model",
    "template": "marks of a chat template",
    "exfiltration": "may send data out",
    "more": "more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to look at: its kind in plain words, what it says, of which prompt (its number in the bundle, from 1),
    whether an admin alone may pass over it."""

    heard: str
    says: str
    name: str
    number: int | None
    blocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text that waits, in parts; `number` is its place in the bundle, from 1; `after` where the rest of it begins
    (None: nowhere); `starts` how far above the average of its task it would start here, by the weight in runs."""

    number: int
    seen: Seen
    parts: list[Part]
    after: int | None
    trust: Estimate
    average: float
    allowed: str
    starts: list[tuple[int, float]]
    runs: int
    elsewhere: list[Prompt]


@doors.form
def take_in(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/take-in`: bring a file; what is wrong with it is said on its own page."""
    caller = doors.caller(request)
    teams = shelf.teams_of(caller, Role.AUTHOR)
    refusal: errors.Refusal | None = None
    if request.method == "POST":
        try:
            brought = _brought(request, caller=caller, now=timezone.now())
        except errors.Refusal as refused_:
            refusal = refused_
        else:
            if brought.vault_id is not None:
                messages.success(request, "This file was taken in before; nothing was done again.")
                return redirect("vault", brought.vault_id)
            return redirect("import", brought.pk)
    context = {
        "teams": teams,
        "team": parameters.whole(request.POST, "team") or caller.principal.team_id,
        "most_bytes": settings.VAULT_MAX_BYTES,
        "threshold": settings.VAULT_THRESHOLD,
        "refusal": refusal,
        "advice": refused.advice(refusal.code) if refusal is not None else None,
        "codes": refused.ADVICE,
    }
    return render(request, "web/take_in.html", context, status=422 if refusal else 200)


@doors.form
def page(request: HttpRequest, import_id: int) -> HttpResponseBase:
    """`/vaults/imports/<id>`: what waits, as inert text, and the two ways to decide; or what became of it."""
    caller, now = doors.caller(request), timezone.now()
    one = imports.named(caller=caller, pk=import_id)
    refusal, done = "", ""
    if request.method == "POST":
        done = parameters.choice(request.POST, "do", allowed=(ACCEPT, REFUSE), default=REFUSE)
        try:
            return _decided(request, one, done, caller=caller, now=now)
        except errors.Refusal as refused_:
            refusal = refused_.message
    context: dict[str, Any] = {
        "one": one,
        "refusal": refusal,
        "refused_to": done,
        "reason": request.POST.get("reason", "")[:400],
        "typed_runs": request.POST.get("runs", "")[:10],
        "typed_namespace": request.POST.get("namespace", "")[:64],
    }
    if one.state == BundleImport.State.REFUSED:
        context["advice"] = refused.advice(one.code)
    elif one.state == BundleImport.State.WAITING:
        context |= _waiting(request, one, caller=caller, now=now)
    return render(request, "web/import.html", context, status=422 if refusal else 200)


def _brought(request: HttpRequest, *, caller: Caller, now: datetime) -> BundleImport:
    number = parameters.whole(request.POST, "team")
    team = next((t for t in shelf.teams_of(caller, Role.AUTHOR) if t.pk == number), None)
    if team is None:
        raise errors.NotFound("Choose a team in which you are an author: the bundle is for it.")
    upload = request.FILES.get("file")
    if upload is None:
        raise errors.NotFound("No file came with it: choose one first.")
    if (upload.size or 0) > settings.VAULT_MAX_BYTES:
        digest = hashlib.sha256()
        for part in upload.chunks():
            digest.update(part)
        return imports.refuse_unread(
            caller=caller, team=team, digest=digest.hexdigest(), size=upload.size or 0, now=now
        )
    return imports.receive(caller=caller, team=team, raw=upload.read(), now=now)


def _decided(
    request: HttpRequest, one: BundleImport, done: str, *, caller: Caller, now: datetime
) -> HttpResponseBase:
    reason = request.POST.get("reason", "").strip()
    if done == REFUSE:
        imports.refuse(caller=caller, one=one, reason=reason, now=now)
        messages.success(request, "It was refused. Nothing of it was kept but this refusal.")
        return redirect("import", one.pk)
    row = SymbolicPromptTokenMarketplace().accept(
        caller=caller,
        one=one,
        reason=reason,
        runs=parameters.whole(request.POST, "runs", lowest=0, highest=imports.MOST_RUNS),
        namespace=request.POST.get("namespace", "").strip() or None,
        now=now,
    )
    if row.vault_id is None:
        return redirect("import", row.pk)
    came = row.vault.foreign.count() if row.vault is not None else 0
    new = row.vault.foreign.filter(registered=True).count() if row.vault is not None else 0
    messages.success(
        request,
        f"Taken in: {new} prompt{'' if new == 1 else 's'} registered, {came - new} known here already.",
    )
    return redirect("vault", row.vault_id)


def _waiting(
    request: HttpRequest, one: BundleImport, *, caller: Caller, now: datetime
) -> dict[str, Any]:
    """What there is to see of a file that waits, for whoever may look into it."""
    try:
        imports.require_may_inspect(caller=caller, one=one)
    except errors.Forbidden as refusal:
        return {"closed": refusal.message}
    looked = imports.inspected(one, now=now)
    total = len(looked.prompts)
    whole = parameters.whole(request.GET, "prompt", highest=total)
    start = whole or parameters.whole(request.GET, "from", highest=bundles.MOST_PROMPTS) or 1
    at = parameters.whole(request.GET, "at", lowest=0, highest=500_000) or 0
    shown = looked.prompts[start - 1 : start - 1 + (1 if whole else PROMPTS_A_PAGE)]
    usual = settings.FOREIGN_RUNS if looked.verdict is not None and looked.verdict.is_known else 0
    after = start + PROMPTS_A_PAGE
    policy = ReputationPolicy.from_json(policies.in_force().reputation)
    signed_by = signers.told(key_ids=looked.signers, roots=shelf.roots(), now=now)
    return {
        "looked": looked,
        "bundle": looked.bundle,
        "as_of": datetime.fromisoformat(looked.bundle.as_of),
        "signers": signed_by,
        "has_strangers": any(one.root is None for one in signed_by),
        "findings": _findings(looked),
        "texts": _texts(
            shown,
            kappa=policy.kappa_default,
            first=start,
            usual=usual,
            at=at if whole else 0,
            most=inert.AT_ONCE if whole else inert.SHOWN,
        ),
        "at": at,
        "kappa": policy.kappa_default,
        "half_life": round(policy.half_life_measured_days),
        "usual_runs": usual,
        "most_runs": imports.MOST_RUNS if caller.is_admin else usual,
        "new": sum(text.known is None for text in looked.prompts),
        "is_admin": caller.is_admin,
        "whole": whole,
        "start": start,
        "last": start - 1 + len(shown),
        "total": total,
        "newer": max(1, start - PROMPTS_A_PAGE) if start > 1 and not whole else None,
        "older": after if after <= total and not whole else None,
    }


def _findings(looked: Inspection) -> list[Finding]:
    numbers = {seen.told.name: n for n, seen in enumerate(looked.prompts, start=1)}
    return [
        Finding(
            heard=_HEARD.get(found["kind"], found["kind"]),
            says=found["says"],
            name=found.get("prompt", ""),
            number=numbers.get(found.get("prompt", "")),
            blocks=found["kind"] in inspection.BLOCKING,
        )
        for found in looked.findings
    ]


def _texts(
    shown: Sequence[Seen], *, kappa: float, first: int, usual: int, at: int, most: int
) -> list[Text]:
    return [
        Text(
            number=number,
            seen=seen,
            parts=inert.parts(seen.told.text, marks=seen.marks, start=at, most=most),
            after=at + most if len(seen.told.text) > at + most else None,
            trust=bundle.estimate(seen.told.reputation),
            average=seen.told.reputation.average_ppm / bundles.MILLION,
            allowed=licences.allowed_by(seen.told.licence),
            starts=_starts(seen.told.reputation, kappa=kappa, usual=usual),
            runs=seen.told.reputation.outcomes + seen.told.reputation.replays,
            elsewhere=[p for p in seen.elsewhere if p != seen.known][:ELSEWHERE_SHOWN],
        )
        for number, seen in enumerate(shown, start=first)
    ]


def _starts(reputation: bundles.Reputation, *, kappa: float, usual: int) -> list[tuple[int, float]]:
    """How far above the average of its task a prompt starts here: its lift there, at the share that so many runs have
    beside the prior (docs/reputation.md)."""
    lift = (reputation.trust_ppm - reputation.average_ppm) / bundles.MILLION
    measured = reputation.outcomes + reputation.replays
    weighed = [(runs, min(runs, measured)) for runs in sorted({*_WEIGHTS, usual})]
    return [(runs, lift * counted / (counted + kappa)) for runs, counted in weighed]
