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
from mintmark.common import errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.projection import policies
from mintmark.registry.models import Prompt
from mintmark.scoring.estimate import Estimate
from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.signing import bundles
from mintmark.vault import inspection, quarantine
from mintmark.vault.inspection import InspectedPrompt, Inspection
from mintmark.vault.models import BundleImport

from .. import decorators, query_params, untrusted_text
from ..market import licences
from ..untrusted_text import TextSegment
from . import bundle_detail, import_error_help, signer_display
from . import bundle_list as shelf

PROMPTS_PER_PAGE = 10
ELSEWHERE_SHOWN = 5
ACCEPT, REFUSE = "accept", "refuse"
_WEIGHTS = (0, 10, 50)
_WARNING_LABELS = {
    "unknown_key": "unknown key",
    "other_key": "another key than before",
    "hidden_unicode": "hidden characters",
    "withdrawn_here": "revoked here",
    "secret": "possible secret",
    "injection": "possible prompt injection",
    "template": "chat template tokens",
    "exfiltration": "possible data exfiltration",
    "more": "more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleWarning:
    """Something to look at: its kind in plain words, what it says, of which prompt (its number in the bundle, from 1),
    whether an admin alone may pass over it."""

    label: str
    message: str
    name: str
    number: int | None
    blocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPromptRow:
    """A text that waits, in parts; `number` is its place in the bundle, from 1; `after` where the rest of it begins
    (None: nowhere); `starts` how far above the average of its task it would start here, by the weight in runs."""

    number: int
    inspected: InspectedPrompt
    segments: list[TextSegment]
    next_offset: int | None
    trust: Estimate
    average: float
    allowed: str
    starting_lifts: list[tuple[int, float]]
    runs: int
    other_copies: list[Prompt]


@decorators.form_view
def upload_bundle(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/take-in`: bring a file; what is wrong with it is said on its own page."""
    caller = decorators.get_caller(request)
    teams = shelf.list_teams_with_role(caller, Role.AUTHOR)
    failure: errors.DomainError | None = None
    if request.method == "POST":
        try:
            bundle_import = _receive_upload(request, caller=caller, now=timezone.now())
        except errors.DomainError as error:
            failure = error
        else:
            if bundle_import.vault_id is not None:
                messages.success(request, "This file was already imported. Nothing was changed.")
                return redirect("vault", bundle_import.vault_id)
            return redirect("import", bundle_import.pk)
    context = {
        "teams": teams,
        "team": query_params.parse_integer(request.POST, "team") or caller.principal.team_id,
        "most_bytes": settings.VAULT_MAX_BYTES,
        "threshold": settings.VAULT_THRESHOLD,
        "refusal": failure,
        "advice": import_error_help.get_advice(failure.code) if failure is not None else None,
        "codes": import_error_help.ADVICE,
    }
    return render(request, "web/take_in.html", context, status=422 if failure else 200)


@decorators.form_view
def show_import(request: HttpRequest, import_id: int) -> HttpResponseBase:
    """`/vaults/imports/<id>`: what waits, as inert text, and the two ways to decide; or what became of it."""
    caller, now = decorators.get_caller(request), timezone.now()
    bundle_import = quarantine.get_import(caller=caller, pk=import_id)
    error_message, action = "", ""
    if request.method == "POST":
        action = query_params.parse_choice(
            request.POST, "do", allowed=(ACCEPT, REFUSE), default=REFUSE
        )
        try:
            return _apply_decision(request, bundle_import, action, caller=caller, now=now)
        except errors.DomainError as error:
            error_message = error.message
    context: dict[str, Any] = {
        "one": bundle_import,
        "refusal": error_message,
        "refused_to": action,
        "reason": request.POST.get("reason", "")[:400],
        "typed_runs": request.POST.get("runs", "")[:10],
        "typed_namespace": request.POST.get("namespace", "")[:64],
    }
    if bundle_import.state == BundleImport.State.REFUSED:
        context["advice"] = import_error_help.get_advice(bundle_import.code)
    elif bundle_import.state == BundleImport.State.WAITING:
        context |= _build_inspection(request, bundle_import, caller=caller, now=now)
    return render(request, "web/import.html", context, status=422 if error_message else 200)


def _receive_upload(request: HttpRequest, *, caller: Caller, now: datetime) -> BundleImport:
    team_id = query_params.parse_integer(request.POST, "team")
    team = next(
        (t for t in shelf.list_teams_with_role(caller, Role.AUTHOR) if t.pk == team_id), None
    )
    if team is None:
        raise errors.NotFound("Choose a team in which you are an author.")
    upload = request.FILES.get("file")
    if upload is None:
        raise errors.NotFound("Choose a file first.")
    if (upload.size or 0) > settings.VAULT_MAX_BYTES:
        digest = hashlib.sha256()
        for chunk in upload.chunks():
            digest.update(chunk)
        return quarantine.refuse_oversized(
            caller=caller, team=team, digest=digest.hexdigest(), size=upload.size or 0, now=now
        )
    return quarantine.receive_bundle(caller=caller, team=team, raw=upload.read(), now=now)


def _apply_decision(
    request: HttpRequest, bundle_import: BundleImport, action: str, *, caller: Caller, now: datetime
) -> HttpResponseBase:
    reason = request.POST.get("reason", "").strip()
    if action == REFUSE:
        quarantine.refuse_import(caller=caller, bundle_import=bundle_import, reason=reason, now=now)
        messages.success(request, "The file was refused. Only this refusal is stored.")
        return redirect("import", bundle_import.pk)
    row = SymbolicPromptTokenMarketplace().accept_bundle(
        caller=caller,
        bundle_import=bundle_import,
        reason=reason,
        runs=query_params.parse_integer(
            request.POST, "runs", minimum=0, maximum=quarantine.MAX_RUNS
        ),
        namespace=request.POST.get("namespace", "").strip() or None,
        now=now,
    )
    if row.vault_id is None:
        return redirect("import", row.pk)
    total_count = row.vault.foreign.count() if row.vault is not None else 0
    new_count = row.vault.foreign.filter(registered=True).count() if row.vault is not None else 0
    messages.success(
        request,
        f"Imported: {new_count} prompt{'' if new_count == 1 else 's'} registered, {total_count - new_count} known here "
        "already.",
    )
    return redirect("vault", row.vault_id)


def _build_inspection(
    request: HttpRequest, bundle_import: BundleImport, *, caller: Caller, now: datetime
) -> dict[str, Any]:
    """What there is to see of a file that waits, for whoever may look into it."""
    try:
        quarantine.require_may_inspect(caller=caller, bundle_import=bundle_import)
    except errors.Forbidden as error:
        return {"closed": error.message}
    inspected = quarantine.inspect_import(bundle_import, now=now)
    total = len(inspected.prompts)
    single_number = query_params.parse_integer(request.GET, "prompt", maximum=total)
    start = (
        single_number
        or query_params.parse_integer(request.GET, "from", maximum=bundles.MAX_PROMPTS)
        or 1
    )
    offset = query_params.parse_integer(request.GET, "at", minimum=0, maximum=500_000) or 0
    shown_prompts = inspected.prompts[
        start - 1 : start - 1 + (1 if single_number else PROMPTS_PER_PAGE)
    ]
    default_runs = (
        settings.IMPORTED_REPUTATION_RUNS
        if inspected.verdict is not None and inspected.verdict.is_known
        else 0
    )
    next_start = start + PROMPTS_PER_PAGE
    policy = ReputationPolicy.from_json(policies.get_current().reputation)
    bundle_signers = signer_display.build_signers(
        key_ids=inspected.signers, roots=shelf.get_trusted_roots(), now=now
    )
    return {
        "looked": inspected,
        "bundle": inspected.bundle,
        "as_of": datetime.fromisoformat(inspected.bundle.as_of),
        "signers": bundle_signers,
        "has_strangers": any(signer.root is None for signer in bundle_signers),
        "findings": _build_warnings(inspected),
        "texts": _build_prompt_rows(
            shown_prompts,
            kappa=policy.kappa_default,
            first=start,
            default_runs=default_runs,
            offset=offset if single_number else 0,
            max_length=untrusted_text.MAX_LENGTH
            if single_number
            else untrusted_text.EXCERPT_LENGTH,
        ),
        "at": offset,
        "kappa": policy.kappa_default,
        "half_life": round(policy.half_life_measured_days),
        "usual_runs": default_runs,
        "most_runs": quarantine.MAX_RUNS if caller.is_admin else default_runs,
        "new": sum(text.known is None for text in inspected.prompts),
        "is_admin": caller.is_admin,
        "whole": single_number,
        "start": start,
        "last": start - 1 + len(shown_prompts),
        "total": total,
        "newer": max(1, start - PROMPTS_PER_PAGE) if start > 1 and not single_number else None,
        "older": next_start if next_start <= total and not single_number else None,
    }


def _build_warnings(inspected: Inspection) -> list[BundleWarning]:
    numbers = {prompt.bundled_prompt.name: n for n, prompt in enumerate(inspected.prompts, start=1)}
    return [
        BundleWarning(
            label=_WARNING_LABELS.get(finding["kind"], finding["kind"]),
            message=finding["says"],
            name=finding.get("prompt", ""),
            number=numbers.get(finding.get("prompt", "")),
            blocks=finding["kind"] in inspection.BLOCKING_FINDINGS,
        )
        for finding in inspected.findings
    ]


def _build_prompt_rows(
    shown_prompts: Sequence[InspectedPrompt],
    *,
    kappa: float,
    first: int,
    default_runs: int,
    offset: int,
    max_length: int,
) -> list[PendingPromptRow]:
    return [
        PendingPromptRow(
            number=number,
            inspected=inspected,
            segments=untrusted_text.split_marked(
                inspected.bundled_prompt.text,
                marks=inspected.marks,
                start=offset,
                max_length=max_length,
            ),
            next_offset=offset + max_length
            if len(inspected.bundled_prompt.text) > offset + max_length
            else None,
            trust=bundle_detail.build_estimate(inspected.bundled_prompt.reputation),
            average=inspected.bundled_prompt.reputation.average_ppm / bundles.MILLION,
            allowed=licences.describe_permissions(inspected.bundled_prompt.licence),
            starting_lifts=_estimate_starting_lifts(
                inspected.bundled_prompt.reputation, kappa=kappa, default_runs=default_runs
            ),
            runs=inspected.bundled_prompt.reputation.outcomes
            + inspected.bundled_prompt.reputation.replays,
            other_copies=[p for p in inspected.other_matches if p != inspected.known][
                :ELSEWHERE_SHOWN
            ],
        )
        for number, inspected in enumerate(shown_prompts, start=first)
    ]


def _estimate_starting_lifts(
    reputation: bundles.BundleReputation, *, kappa: float, default_runs: int
) -> list[tuple[int, float]]:
    """How far above the average of its task a prompt starts here: its lift there, at the share that so many runs have
    beside the prior (docs/reputation.md)."""
    lift = (reputation.trust_ppm - reputation.average_ppm) / bundles.MILLION
    measured = reputation.outcomes + reputation.replays
    run_counts = [(runs, min(runs, measured)) for runs in sorted({*_WEIGHTS, default_runs})]
    return [
        (runs, lift * counted_runs / (counted_runs + kappa)) for runs, counted_runs in run_counts
    ]
