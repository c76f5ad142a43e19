"""Calls made ready to be made: what to ask whom, within which limits, at which price."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mintmark.core import errors
from mintmark.core.perturbations import Frame
from mintmark.registry.models import Assistant, Prompt, Ritual

from . import asking, bindings, configurations, definitions, judging, runs
from .bindings import Bound
from .budgets import Budget
from .definitions import Case, Definition
from .models import Errand, Runner
from .runners import Answering, Ask, CallFailed, Reply
from .runners.calls import GaveUp, Pace, answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One endpoint of a run: its setup, its runner, and the pace it keeps."""

    setup: Runner
    runner: Answering
    pace: Pace

    def cost_micro(self, *, tokens_in: int, tokens_out: int) -> int:
        """What so many tokens cost, rounded up."""
        micro = tokens_in * self.setup.price_in_micro + tokens_out * self.setup.price_out_micro
        return math.ceil(micro / 1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a case's calls gave: the reply, the judge's verdicts on the case's rubrics in their order and on clauses
    by codex and id, and what all of it cost."""

    reply: Reply
    verdicts: tuple[tuple[bool, float], ...]
    clause_verdicts: Mapping[tuple[str, str], bool]
    cost_micro: int
    attempts: int


class CaseFailed(Exception):
    """A case has no result: `last` says why, `cost_micro` is the most that its calls may have cost."""

    def __init__(self, last: CallFailed, *, attempts: int, cost_micro: int) -> None:
        super().__init__(str(last))
        self.last = last
        self.attempts = attempts
        self.cost_micro = cost_micro


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that an errand's calls for one prompt have in common."""

    prompt: Prompt
    definition: Definition
    memory: Mapping[str, str]
    bound: list[Bound]
    clause_rubrics: Mapping[tuple[str, str], str]
    line: Line
    judge: Line | None
    secrets: tuple[str, ...]
    seed: int

    def ask(self, case: Case, frame: Frame) -> Ask:
        """What is asked for a case in a frame."""
        return asking.ask(
            prompt=self.prompt,
            case=case,
            frame=frame,
            definition=self.definition,
            memory=self.memory,
        )

    def most_micro(self, case: Case, ask: Ask) -> int:
        """The most that one attempt at a case may cost, the judge's calls included."""
        most = self.line.cost_micro(tokens_in=ask.most_tokens_in, tokens_out=ask.max_tokens)
        return most + sum(self._most_of_judge(rubric) for rubric in self._rubrics(case))

    async def answer(
        self, case: Case, ask: Ask, *, held_as: int, budget: Budget, rng: random.Random
    ) -> Answer:
        """The reply to a case, and what the judge says of it; `held_as` is the number under which the budget holds what
        it may cost. `CaseFailed` where an attempt too many failed, or one more might not fit into the budget."""
        most = self.line.cost_micro(tokens_in=ask.most_tokens_in, tokens_out=ask.max_tokens)
        try:
            got = await answered(
                self.line.runner,
                ask,
                attempts=self.line.setup.attempts,
                pace=self.line.pace,
                rng=rng,
                may_pay_again=lambda: budget.hold(held_as, most),
            )
        except GaveUp as gave_up:
            raise CaseFailed(
                gave_up.last, attempts=gave_up.attempts, cost_micro=most * gave_up.charged
            ) from None
        reply = got.reply
        cost = most * got.charged + self._told_cost(self.line, reply, most)
        verdicts = []
        for rubric in self._rubrics(case):
            try:
                verdict, judged_cost = await self._verdict(
                    rubric, reply.text, held_as=held_as, budget=budget, rng=rng
                )
            except CaseFailed as failed:
                raise CaseFailed(
                    failed.last, attempts=got.attempts, cost_micro=cost + failed.cost_micro
                ) from None
            verdicts.append(verdict)
            cost += judged_cost
        of_case = len(verdicts) - len(self.clause_rubrics)
        return Answer(
            reply=reply,
            verdicts=tuple(verdicts[:of_case]),
            clause_verdicts={
                name: passed
                for name, (passed, _) in zip(self.clause_rubrics, verdicts[of_case:], strict=True)
            },
            cost_micro=cost,
            attempts=got.attempts,
        )

    async def close(self) -> None:
        """Hang up."""
        for line in (self.line, self.judge):
            if line is not None:
                await line.runner.close()

    async def _verdict(
        self, rubric: str, output: str, *, held_as: int, budget: Budget, rng: random.Random
    ) -> tuple[tuple[bool, float], int]:
        line = self.judge
        assert line is not None, "a ritual with rubrics starts with a judge alone"
        asked = judging.ask(rubric=rubric, output=output, seed=self.seed)
        most = line.cost_micro(tokens_in=asked.most_tokens_in, tokens_out=asked.max_tokens)
        try:
            got = await answered(
                _Judging(line.runner),
                asked,
                attempts=line.setup.attempts,
                pace=line.pace,
                rng=rng,
                may_pay_again=lambda: budget.hold(held_as, most),
            )
        except GaveUp as gave_up:
            last = gave_up.last
            raise CaseFailed(
                CallFailed(
                    f"judge_{last.code}"[:40], f"the judge: {last.says}", is_fatal=last.is_fatal
                ),
                attempts=gave_up.attempts,
                cost_micro=most * gave_up.charged,
            ) from None
        cost = most * got.charged + self._told_cost(line, got.reply, most)
        return judging.verdict(got.reply.text), cost

    def _rubrics(self, case: Case) -> list[str]:
        """What the judge is asked of one output: the case's rubrics, then those of clauses."""
        own = [str(one.value) for one in case.assertions if one.needs_judge]
        return [*own, *self.clause_rubrics.values()]

    def _most_of_judge(self, rubric: str) -> int:
        if self.judge is None:
            return 0
        tokens = judging.most_tokens_in(rubric=rubric, max_tokens=self.definition.max_tokens)
        return self.judge.cost_micro(tokens_in=tokens, tokens_out=judging.MAX_TOKENS)

    def _told_cost(self, line: Line, reply: Reply, most: int) -> int:
        """What the endpoint says that it counted; the most that it can have been where it does not say."""
        if reply.tokens_in is None or reply.tokens_out is None:
            return most
        return line.cost_micro(tokens_in=reply.tokens_in, tokens_out=reply.tokens_out)


class _Judging:
    """A judge's runner, for which a reply that is no verdict is no reply."""

    says: ClassVar[str] = "a judge"

    def __init__(self, runner: Answering) -> None:
        self._runner = runner

    async def answer(self, ask: Ask) -> Reply:
        reply = await self._runner.answer(ask)
        judging.verdict(reply.text)
        return reply

    async def close(self) -> None:
        await self._runner.close()


def prepared(
    errand: Errand, *, prompt: Prompt, assistant: Assistant, ritual: Ritual, codex_ids: list[int]
) -> Job:
    """The calls of an errand for a prompt made ready. A refusal says why they can't be made: the prompt was withdrawn,
    the key is missing, …"""
    runs.require_served(prompt=prompt, assistant=assistant)
    definition = definitions.of(ritual)
    memory, forgotten = asking.remembered(assistant_id=assistant.pk, definition=definition)
    if forgotten:
        raise runs.InvalidRun(f"{assistant} no longer remembers {', '.join(forgotten[:5])}.")
    setup = configurations.of(assistant=assistant)
    if (setup.kind, setup.model) != (errand.runner_kind, errand.model):
        raise runs.InvalidRun(f"{assistant} has another model now: start anew.")
    bound = bindings.of(codex_ids=codex_ids)
    rubrics = {(one.codex, id_): asks for one in bound for id_, asks in one.rubrics()}
    judge = setup.judge if definition.needs_judge or rubrics else None
    if definition.needs_judge and judge is None:
        raise errors.NotFound(f"{assistant} no longer has a judge.")
    keys = [configurations.key(one) for one in (setup, judge) if one is not None]
    return Job(
        prompt=prompt,
        definition=definition,
        memory=memory,
        bound=bound,
        # Without a judge such clauses stay undecided, which is taken neither as kept nor as broken.
        clause_rubrics=rubrics if judge is not None else {},
        line=_line(setup),
        judge=_line(judge) if judge is not None else None,
        secrets=tuple(one for one in keys if one),
        seed=errand.seed,
    )


def _line(setup: Runner) -> Line:
    return Line(
        setup=setup, runner=configurations.made(setup), pace=Pace(per_minute=setup.per_minute)
    )
