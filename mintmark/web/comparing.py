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
from mintmark.core import errors, perturbations, sequential
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import comparisons, configurations, definitions, runs
from mintmark.rituals.models import Comparison, Runner

from . import doors, parameters, running

MARGINS = (1, 2, 3, 5, 10)
"""In points: what may count as equal."""
ERROR_RATES = {"0.01": "1 in 100", "0.05": "1 in 20", "0.1": "1 in 10"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
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
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What would be compared; `refusal` is what stands in the way, "" where nothing does."""

    first: Prompt
    second: Prompt
    assistant: Assistant
    ritual: Ritual
    cases: int
    runner: Runner
    cap_micro: int | None
    refusal: str

    @property
    def is_rehearsal(self) -> bool:
        return self.runner.kind == Runner.Kind.REHEARSAL


@doors.form
def page(request: HttpRequest) -> HttpResponseBase:
    """`/comparisons/new`, what it would take as a fragment while one chooses, and its start."""
    caller = doors.caller(request)
    is_post = request.method == "POST"
    given = request.POST if is_post else request.GET
    typed = _typed(given)
    mine = running.operated(caller, among=typed.assistant)
    problem = ""
    if is_post and given.get("do") == "start":
        try:
            made = _start(typed, given, caller=caller)
        except errors.KeyReused:
            typed = replace(typed, key=uuid.uuid4().hex)
            problem = "This form has started a comparison already, of something else. Press again for one of this."
        except errors.Refusal as refusal:
            if typed.assistant not in {one.pk for one in mine}:
                raise
            problem = refusal.message
        else:
            messages.success(request, "The comparison is started: a worker takes it from here.")
            return redirect("comparison", made.pk)
    if typed.assistant is None and mine:
        typed = replace(typed, assistant=mine[0].pk)
    look, lacks = _look(typed, given, mine=mine)
    context: dict[str, Any] = {"typed": typed, "look": look, "lacks": lacks, "problem": problem}
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/new_comparison.html#look", context)
    context |= running.choices(mine) | {
        "margins": MARGINS,
        "error_rates": list(ERROR_RATES.items()),
        "most_pairs": comparisons.MOST_PAIRS,
    }
    return render(request, "web/new_comparison.html", context, status=422 if problem else 200)


def _start(typed: Typed, given: QueryDict, *, caller: Caller) -> Comparison:
    return comparisons.start(
        caller=caller,
        first=prompts.named(reference=typed.first),
        second=prompts.named(reference=typed.second),
        assistant=assistants.named(reference=str(typed.assistant or "")),
        ritual=rituals.named(reference=typed.ritual),
        now=timezone.now(),
        alpha=float(typed.alpha),
        margin=typed.margin / 100.0,
        most_pairs=typed.most_pairs,
        seed=_seed(given),
        cost_cap_micro=parameters.limit(given, "cost_cap"),
        key=typed.key,
    )


def _look(typed: Typed, given: QueryDict, *, mine: Sequence[Assistant]) -> tuple[Look | None, str]:
    """What would be compared; else what is still to be said."""
    assistant = next((one for one in mine if one.pk == typed.assistant), None)
    if assistant is None or not (typed.first and typed.second and typed.ritual):
        return None, ""
    try:
        first, second = (prompts.named(reference=one) for one in (typed.first, typed.second))
        ritual = rituals.named(reference=typed.ritual)
        definition = definitions.of(ritual)
        runner = configurations.of(assistant=assistant)
        cap = runs.capped(runner, parameters.limit(given, "cost_cap"))
        seed = _seed(given)
    except errors.Refusal as refusal:
        return None, refusal.message
    refusal_says = ""
    try:
        comparisons.require_startable(
            first=first,
            second=second,
            assistant=assistant,
            definition=definition,
            runner=runner,
            alpha=float(typed.alpha),
            margin=typed.margin / 100.0,
            most_pairs=typed.most_pairs,
            seed=seed,
        )
    except errors.Refusal as refusal:
        refusal_says = refusal.message
    return Look(
        first=first,
        second=second,
        assistant=assistant,
        ritual=ritual,
        cases=len(comparisons.weighing(definition)),
        runner=runner,
        cap_micro=cap,
        refusal=refusal_says,
    ), ""


def _seed(given: QueryDict) -> int:
    return parameters.whole(given, "seed", lowest=0, highest=perturbations.MOST_SEED) or 0


def _typed(given: QueryDict) -> Typed:
    usual = f"{sequential.ALPHA:g}"
    return Typed(
        ritual=running.reference(given.get("ritual", ""), of=Ritual),
        first=running.reference(given.get("first", ""), of=Prompt),
        second=running.reference(given.get("second", ""), of=Prompt),
        assistant=parameters.whole(given, "assistant"),
        margin=parameters.whole(given, "margin", highest=50) or round(100 * sequential.MARGIN),
        alpha=parameters.choice(given, "alpha", allowed=tuple(ERROR_RATES), default=usual),
        most_pairs=parameters.whole(given, "most_pairs", highest=comparisons.MOST_PAIRS)
        or comparisons.USUAL_PAIRS,
        seed=given.get("seed", "0").strip(),
        cost_cap=given.get("cost_cap", "").strip(),
        key=given.get("key", "") or uuid.uuid4().hex,
    )
