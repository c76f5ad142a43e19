"""Prepare and make the calls of a case: which request goes to which model, within which limits, at which price."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mintmark.common import errors
from mintmark.experiments.perturbations import FrameContext
from mintmark.registry.models import Assistant, Prompt, Ritual

from . import codex_snapshot, definitions, llm_judge, prompt_building, runner_settings, runs
from .codex_snapshot import PinnedCodex
from .cost_budget import CostBudget
from .definitions import Case, RitualDefinition
from .models import MeasurementJob, RunnerSettings
from .runners import CallFailed, ModelRequest, ModelResponse, ModelRunner
from .runners.retry import RateLimiter, RetriesExhausted, answer_with_retries


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEndpoint:
    """A model endpoint of a run: its settings, its runner, and its rate limiter."""

    settings: RunnerSettings
    runner: ModelRunner
    rate_limiter: RateLimiter

    def compute_cost_micro(self, *, tokens_in: int, tokens_out: int) -> int:
        """The price of these tokens in micro-units of the runner's currency, rounded up."""
        micro = (
            tokens_in * self.settings.price_in_micro + tokens_out * self.settings.price_out_micro
        )
        return math.ceil(micro / 1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAnswer:
    """The result of a case's calls: the reply, the judge's decisions on the case's rubrics (in their order) and on
    clauses (by codex and id), and the total cost."""

    response: ModelResponse
    verdicts: tuple[tuple[bool, float], ...]
    clause_verdicts: Mapping[tuple[str, str], bool]
    cost_micro: int
    attempts: int


class CaseFailed(Exception):
    """A case has no result. `last` says why; `cost_micro` is the most that its calls may have cost."""

    def __init__(self, last: CallFailed, *, attempts: int, cost_micro: int) -> None:
        super().__init__(str(last))
        self.last = last
        self.attempts = attempts
        self.cost_micro = cost_micro


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseExecutor:
    """Makes the calls for one prompt of a run or a comparison: everything that these calls share."""

    prompt: Prompt
    definition: RitualDefinition
    memory: Mapping[str, str]
    pinned_codices: list[PinnedCodex]
    clause_rubrics: Mapping[tuple[str, str], str]
    endpoint: ModelEndpoint
    judge: ModelEndpoint | None
    secrets: tuple[str, ...]
    seed: int

    def build_request(self, case: Case, frame: FrameContext) -> ModelRequest:
        """The request for a case in a frame."""
        return prompt_building.build_request(
            prompt=self.prompt,
            case=case,
            frame=frame,
            definition=self.definition,
            memory=self.memory,
        )

    def compute_max_cost_micro(self, case: Case, request: ModelRequest) -> int:
        """The most that one attempt at a case may cost, calls to the judge included."""
        max_cost_micro = self.endpoint.compute_cost_micro(
            tokens_in=request.max_tokens_in, tokens_out=request.max_tokens
        )
        return max_cost_micro + sum(
            self._compute_max_judge_cost(rubric) for rubric in self._list_rubrics(case)
        )

    async def execute(
        self,
        case: Case,
        request: ModelRequest,
        *,
        reservation_id: int,
        budget: CostBudget,
        rng: random.Random,
    ) -> CaseAnswer:
        """The reply to a case, with the judge's decisions on it. `reservation_id` names the amount that `budget` holds
        for the case. Raises `CaseFailed` when all attempts failed, or when another might exceed the budget."""
        max_cost_micro = self.endpoint.compute_cost_micro(
            tokens_in=request.max_tokens_in, tokens_out=request.max_tokens
        )
        try:
            retried = await answer_with_retries(
                self.endpoint.runner,
                request,
                attempts=self.endpoint.settings.attempts,
                rate_limiter=self.endpoint.rate_limiter,
                rng=rng,
                may_pay_again=lambda: budget.reserve(reservation_id, max_cost_micro),
            )
        except RetriesExhausted as exhausted:
            raise CaseFailed(
                exhausted.last,
                attempts=exhausted.attempts,
                cost_micro=max_cost_micro * exhausted.charged,
            ) from None
        response = retried.response
        cost = max_cost_micro * retried.charged + self._compute_reported_cost(
            self.endpoint, response, max_cost_micro
        )
        verdicts = []
        for rubric in self._list_rubrics(case):
            try:
                verdict, judged_cost = await self._ask_judge(
                    rubric, response.text, reservation_id=reservation_id, budget=budget, rng=rng
                )
            except CaseFailed as failure:
                raise CaseFailed(
                    failure.last, attempts=retried.attempts, cost_micro=cost + failure.cost_micro
                ) from None
            verdicts.append(verdict)
            cost += judged_cost
        case_rubric_count = len(verdicts) - len(self.clause_rubrics)
        return CaseAnswer(
            response=response,
            verdicts=tuple(verdicts[:case_rubric_count]),
            clause_verdicts={
                name: passed
                for name, (passed, _) in zip(
                    self.clause_rubrics, verdicts[case_rubric_count:], strict=True
                )
            },
            cost_micro=cost,
            attempts=retried.attempts,
        )

    async def close(self) -> None:
        """Close the connections of all endpoints."""
        for endpoint in (self.endpoint, self.judge):
            if endpoint is not None:
                await endpoint.runner.close()

    async def _ask_judge(
        self,
        rubric: str,
        output: str,
        *,
        reservation_id: int,
        budget: CostBudget,
        rng: random.Random,
    ) -> tuple[tuple[bool, float], int]:
        judge_endpoint = self.judge
        assert judge_endpoint is not None, "a ritual with rubrics starts with a judge alone"
        request = llm_judge.build_judge_request(rubric=rubric, output=output, seed=self.seed)
        max_cost_micro = judge_endpoint.compute_cost_micro(
            tokens_in=request.max_tokens_in, tokens_out=request.max_tokens
        )
        try:
            retried = await answer_with_retries(
                _JudgeRunner(judge_endpoint.runner),
                request,
                attempts=judge_endpoint.settings.attempts,
                rate_limiter=judge_endpoint.rate_limiter,
                rng=rng,
                may_pay_again=lambda: budget.reserve(reservation_id, max_cost_micro),
            )
        except RetriesExhausted as exhausted:
            last = exhausted.last
            raise CaseFailed(
                CallFailed(
                    f"judge_{last.code}"[:40], f"the judge: {last.message}", is_fatal=last.is_fatal
                ),
                attempts=exhausted.attempts,
                cost_micro=max_cost_micro * exhausted.charged,
            ) from None
        cost = max_cost_micro * retried.charged + self._compute_reported_cost(
            judge_endpoint, retried.response, max_cost_micro
        )
        return llm_judge.parse_verdict(retried.response.text), cost

    def _list_rubrics(self, case: Case) -> list[str]:
        """What the judge has to decide of one output: the case's rubrics, then those of clauses."""
        case_rubrics = [
            str(assertion.value) for assertion in case.assertions if assertion.needs_judge
        ]
        return [*case_rubrics, *self.clause_rubrics.values()]

    def _compute_max_judge_cost(self, rubric: str) -> int:
        if self.judge is None:
            return 0
        tokens = llm_judge.compute_max_tokens_in(
            rubric=rubric, max_tokens=self.definition.max_tokens
        )
        return self.judge.compute_cost_micro(tokens_in=tokens, tokens_out=llm_judge.MAX_TOKENS)

    def _compute_reported_cost(
        self, endpoint: ModelEndpoint, response: ModelResponse, max_cost_micro: int
    ) -> int:
        """The cost of the tokens that the endpoint reported; `max_cost_micro` where it reported none."""
        if response.tokens_in is None or response.tokens_out is None:
            return max_cost_micro
        return endpoint.compute_cost_micro(
            tokens_in=response.tokens_in, tokens_out=response.tokens_out
        )


class _JudgeRunner:
    """A judge's runner: a reply that can't be parsed as a decision counts as a failed call."""

    description: ClassVar[str] = "a judge"

    def __init__(self, runner: ModelRunner) -> None:
        self._runner = runner

    async def answer(self, request: ModelRequest) -> ModelResponse:
        response = await self._runner.answer(request)
        llm_judge.parse_verdict(response.text)
        return response

    async def close(self) -> None:
        await self._runner.close()


def prepare_executor(
    job: MeasurementJob,
    *,
    prompt: Prompt,
    assistant: Assistant,
    ritual: Ritual,
    codex_ids: list[int],
) -> CaseExecutor:
    """A `CaseExecutor` for one prompt of a run or a comparison.

    Whether the prompt may be used is for the caller to check. Raises an error that says why the calls can't be made:
    for example, the API key is missing.
    """
    definition = definitions.get_definition(ritual)
    memory, missing_keys = prompt_building.load_memory(
        assistant_id=assistant.pk, definition=definition
    )
    if missing_keys:
        raise runs.InvalidRun(f"{assistant} no longer remembers {', '.join(missing_keys[:5])}.")
    settings = runner_settings.get_runner_settings(assistant=assistant)
    if (settings.kind, settings.model) != (job.runner_kind, job.model):
        raise runs.InvalidRun(f"{assistant} has another model now: start anew.")
    pinned_codices = codex_snapshot.load_pinned_codices(codex_ids=codex_ids)
    rubrics = {
        (pinned_codex.codex, id_): rubric_text
        for pinned_codex in pinned_codices
        for id_, rubric_text in pinned_codex.list_rubrics()
    }
    judge = settings.judge if definition.needs_judge or rubrics else None
    if definition.needs_judge and judge is None:
        raise errors.NotFound(f"{assistant} no longer has a judge.")
    api_keys = [
        runner_settings.read_api_key(each_settings)
        for each_settings in (settings, judge)
        if each_settings is not None
    ]
    return CaseExecutor(
        prompt=prompt,
        definition=definition,
        memory=memory,
        pinned_codices=pinned_codices,
        # Without a judge such clauses stay undecided, which counts neither as passed nor as failed.
        clause_rubrics=rubrics if judge is not None else {},
        endpoint=_build_endpoint(settings),
        judge=_build_endpoint(judge) if judge is not None else None,
        secrets=tuple(api_key for api_key in api_keys if api_key),
        seed=job.seed,
    )


def _build_endpoint(settings: RunnerSettings) -> ModelEndpoint:
    return ModelEndpoint(
        settings=settings,
        runner=runner_settings.build_runner(settings),
        rate_limiter=RateLimiter(per_minute=settings.per_minute),
    )
