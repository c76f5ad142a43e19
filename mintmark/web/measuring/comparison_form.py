"""The page on which a comparison is started: which two prompts, which assistant, which ritual, how sure to be."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.experiments import perturbations, sequential_test
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import comparisons, definitions, runner_settings, runs
from mintmark.rituals.models import Comparison, RunnerSettings

from .. import decorators, query_params
from . import run_form

MARGINS = (1, 2, 3, 5, 10)
"""In points: what may count as equal."""
ERROR_RATES = {"0.01": "1 in 100", "0.05": "1 in 20", "0.1": "1 in 10"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonForm:
    """The form as it was sent; `key` makes the same press twice one comparison."""

    ritual: str
    first: str
    second: str
    assistant: int | None
    margin: int
    alpha: str
    most_pairs: int
    seed: str
    cost_cap: str
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPreview:
    """What would be compared; `refusal` is what stands in the way, "" where nothing does."""

    first: Prompt
    second: Prompt
    assistant: Assistant
    ritual: Ritual
    cases: int
    runner: RunnerSettings
    cap_micro: int | None
    obstacle: str

    @property
    def is_rehearsal(self) -> bool:
        return self.runner.kind == RunnerSettings.Kind.REHEARSAL


@decorators.form_view
def create_comparison(request: HttpRequest) -> HttpResponseBase:
    """`/comparisons/new`, what it would take as a fragment while one chooses, and its start."""
    caller = decorators.get_caller(request)
    is_post = request.method == "POST"
    data = request.POST if is_post else request.GET
    form = _parse_form(data)
    operated_assistants = run_form.list_operated_assistants(caller, include_id=form.assistant)
    error_message = ""
    if is_post and data.get("do") == "start":
        try:
            comparison = _start_comparison(form, data, caller=caller)
        except errors.IdempotencyKeyReused:
            form = replace(form, idempotency_key=uuid.uuid4().hex)
            error_message = (
                "This form has already started another comparison. Press again to start this one."
            )
        except errors.DomainError as error:
            if form.assistant not in {assistant.pk for assistant in operated_assistants}:
                raise
            error_message = error.message
        else:
            messages.success(request, "The comparison was started. A worker continues it.")
            return redirect("comparison", comparison.pk)
    if form.assistant is None and operated_assistants:
        form = replace(form, assistant=operated_assistants[0].pk)
    preview, hint = _build_preview(form, data, operated_assistants=operated_assistants)
    context: dict[str, Any] = {
        "typed": form,
        "look": preview,
        "lacks": hint,
        "problem": error_message,
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/new_comparison.html#look", context)
    context |= run_form.build_choices(operated_assistants) | {
        "margins": MARGINS,
        "error_rates": list(ERROR_RATES.items()),
        "most_pairs": comparisons.MAX_PAIRS,
    }
    return render(request, "web/new_comparison.html", context, status=422 if error_message else 200)


def _start_comparison(form: ComparisonForm, data: QueryDict, *, caller: Caller) -> Comparison:
    return comparisons.start(
        caller=caller,
        first=prompts.resolve(reference=form.first),
        second=prompts.resolve(reference=form.second),
        assistant=assistants.resolve(reference=str(form.assistant or "")),
        ritual=rituals.resolve(reference=form.ritual),
        now=timezone.now(),
        alpha=float(form.alpha),
        margin=form.margin / 100.0,
        most_pairs=form.most_pairs,
        seed=_parse_seed(data),
        cost_cap_micro=query_params.parse_amount_micro(data, "cost_cap"),
        idempotency_key=form.idempotency_key,
    )


def _build_preview(
    form: ComparisonForm, data: QueryDict, *, operated_assistants: Sequence[Assistant]
) -> tuple[ComparisonPreview | None, str]:
    """What would be compared; else what is still to be said."""
    assistant = next(
        (candidate for candidate in operated_assistants if candidate.pk == form.assistant), None
    )
    if assistant is None or not (form.first and form.second and form.ritual):
        return None, ""
    try:
        first, second = (
            prompts.resolve(reference=reference) for reference in (form.first, form.second)
        )
        ritual = rituals.resolve(reference=form.ritual)
        definition = definitions.get_definition(ritual)
        runner = runner_settings.get_runner_settings(assistant=assistant)
        cap = runs.apply_cost_cap(runner, query_params.parse_amount_micro(data, "cost_cap"))
        seed = _parse_seed(data)
    except errors.DomainError as error:
        return None, error.message
    obstacle = ""
    try:
        comparisons.require_startable(
            first=first,
            second=second,
            assistant=assistant,
            definition=definition,
            runner=runner,
            alpha=float(form.alpha),
            margin=form.margin / 100.0,
            most_pairs=form.most_pairs,
            seed=seed,
        )
    except errors.DomainError as error:
        obstacle = error.message
    return ComparisonPreview(
        first=first,
        second=second,
        assistant=assistant,
        ritual=ritual,
        cases=len(comparisons.list_weighted_cases(definition)),
        runner=runner,
        cap_micro=cap,
        obstacle=obstacle,
    ), ""


def _parse_seed(data: QueryDict) -> int:
    return query_params.parse_integer(data, "seed", minimum=0, maximum=perturbations.MAX_SEED) or 0


def _parse_form(data: QueryDict) -> ComparisonForm:
    default_alpha = f"{sequential_test.ALPHA:g}"
    return ComparisonForm(
        ritual=run_form.resolve_reference(data.get("ritual", ""), model=Ritual),
        first=run_form.resolve_reference(data.get("first", ""), model=Prompt),
        second=run_form.resolve_reference(data.get("second", ""), model=Prompt),
        assistant=query_params.parse_integer(data, "assistant"),
        margin=query_params.parse_integer(data, "margin", maximum=50)
        or round(100 * sequential_test.MARGIN),
        alpha=query_params.parse_choice(
            data, "alpha", allowed=tuple(ERROR_RATES), default=default_alpha
        ),
        most_pairs=query_params.parse_integer(data, "most_pairs", maximum=comparisons.MAX_PAIRS)
        or comparisons.DEFAULT_PAIRS,
        seed=data.get("seed", "0").strip(),
        cost_cap=data.get("cost_cap", "").strip(),
        idempotency_key=data.get("key", "") or uuid.uuid4().hex,
    )
