"""Runners (how an assistant is reached), runs of rituals with their frames and cases, and comparisons with their pairs.

A case's row is written as soon as its result is there, so a crash loses no result that was paid for. None of these
tables holds a prompt's text or a key; outputs are redacted, and deleted after a retention time.
"""

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from mintmark.accounts.models import Principal
from mintmark.registry.models import Assistant, Prompt, Ritual


class RunnerSettings(models.Model):
    """How an assistant is reached, and the limits of a run. Prices are in micro-units of `currency` for 1,000 tokens.
    The API key is not stored: `key_name` names the environment variable that holds it."""

    class Kind(models.TextChoices):
        OPENAI = "openai", "an endpoint that speaks OpenAI's chat completions"
        TRANSCRIPT = "transcript", "replies that were written down before"
        REHEARSAL = "rehearsal", "a rehearsal: no language model, made-up replies"

    assistant = models.OneToOneField(Assistant, on_delete=models.PROTECT, related_name="runner")
    kind = models.CharField(max_length=16, choices=Kind)
    base_url = models.CharField(max_length=500, blank=True)
    model = models.CharField(max_length=200, blank=True)
    key_name = models.CharField(max_length=200, blank=True)
    timeout_seconds = models.FloatField(default=60.0)
    attempts = models.PositiveSmallIntegerField(default=4)
    at_once = models.PositiveSmallIntegerField(default=4)
    per_minute = models.PositiveIntegerField(default=0, help_text="calls a minute; 0: no limit")
    price_in_micro = models.PositiveBigIntegerField(default=0)
    price_out_micro = models.PositiveBigIntegerField(default=0)
    currency = models.CharField(max_length=8, default="USD")
    cost_cap_micro = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="what one run may cost at most"
    )
    judge = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="judged", null=True, blank=True
    )
    transcript = models.JSONField(default=dict, blank=True)
    configured_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    configured_at = models.DateTimeField()

    class Meta:
        db_table = "rituals_runner"  # its first name
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(timeout_seconds__gt=0, timeout_seconds__lte=3_600),
                name="runner_timeout",
            ),
            models.CheckConstraint(
                condition=models.Q(attempts__gte=1, attempts__lte=10), name="runner_attempts"
            ),
            models.CheckConstraint(
                condition=models.Q(at_once__gte=1, at_once__lte=64), name="runner_at_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.assistant}: {self.get_kind_display()}"


class MeasurementJob(models.Model):
    """A job of a worker: a run of a ritual, or a comparison. It consists of calls, one row each.

    `spent_micro` is what finished calls cost, `lost_micro` the most that calls without a reply may have cost. The lease
    holder owns the job until `lease_until`; after that another worker may take it.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "waits for a worker"
        RUNNING = "running", "is being run"
        DONE = "done", "every case has its result"
        INCOMPLETE = "incomplete", "stopped before every case had its result"
        CANCELLED = "cancelled", "cancelled"

    started_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - unique where given
    seed = models.PositiveBigIntegerField()
    runner_kind = models.CharField(max_length=16, choices=RunnerSettings.Kind)
    model = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=8)
    cost_cap_micro = models.PositiveBigIntegerField(null=True, blank=True)
    spent_micro = models.PositiveBigIntegerField(default=0)
    lost_micro = models.PositiveBigIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    reason = models.CharField(max_length=400, blank=True)
    lease_holder = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    PARENT_FIELD: ClassVar[str]
    """The field of a call that names its job."""

    @property
    def is_ended(self) -> bool:
        return self.state in (self.State.DONE, self.State.INCOMPLETE, self.State.CANCELLED)

    @property
    def items(self) -> "models.QuerySet[Any]":
        """The job's calls, one row each."""
        raise NotImplementedError


class JobItem(models.Model):
    """One call of a job, and its result. `asked` is the SHA-256 of the messages that were sent."""

    class State(models.TextChoices):
        WAITING = "waiting"
        CALLING = "calling"
        DONE = "done"
        FAILED = "failed"

    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    reserved_micro = models.PositiveBigIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    asked = models.CharField(max_length=64, blank=True)
    score = models.FloatField(null=True, blank=True)
    cost_micro = models.PositiveBigIntegerField(default=0)
    error = models.CharField(max_length=40, blank=True, help_text="why it failed, as a code")
    error_says = models.CharField(max_length=200, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class RitualRun(MeasurementJob):
    """One prompt, run by one assistant with one ritual, in a plain frame and in perturbed ones."""

    ritual = models.ForeignKey(Ritual, on_delete=models.PROTECT, related_name="runs")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="ritual_runs")
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="ritual_runs")
    perturbed = models.PositiveSmallIntegerField(help_text="dreamframes beside the plain frame")
    codex_ids = models.JSONField(default=list)

    PARENT_FIELD = "run"

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["started_by", "key"],
                name="ritual_run_key_once",
                condition=models.Q(key__isnull=False),
            ),
            # Two workers at one endpoint would each apply only half of its rate limit.
            models.UniqueConstraint(
                fields=["assistant"],
                name="ritual_run_one_at_a_time",
                condition=models.Q(state="running"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "id"], name="ritual_run_state"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}: {self.prompt} by {self.assistant}, {self.ritual}"

    @property
    def items(self) -> "models.QuerySet[CaseRun]":
        return self.case_runs.all()


class Dreamframe(models.Model):
    """One frame of a run, and its result; frame 0 is the plain one. `score` is the weighted mean of its cases, once
    each has a result. `recorded` says whether it became evidence, or why not."""

    run = models.ForeignKey(RitualRun, on_delete=models.CASCADE, related_name="frames")
    number = models.PositiveSmallIntegerField()
    context = models.JSONField(help_text="as core.perturbations.Frame says it")
    score = models.FloatField(null=True, blank=True)
    recorded = models.CharField(max_length=400, blank=True)
    recorded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "number"], name="dreamframe_once"),
        ]

    def __str__(self) -> str:
        return f"frame {self.number} of run {self.run_id}"


class CaseRun(JobItem):
    """One case in one frame. `assertions`, `clauses` and `recall` say how the output was graded; `output` is redacted,
    truncated, and emptied after its retention time (`forgotten_at`)."""

    run = models.ForeignKey(RitualRun, on_delete=models.CASCADE, related_name="case_runs")
    frame = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField(help_text="the case's place in the ritual, from 0")
    case_id = models.CharField(max_length=100)
    weight = models.FloatField()
    passed = models.BooleanField(null=True, blank=True)
    output = models.TextField(blank=True)
    assertions = models.JSONField(default=list)
    clauses = models.JSONField(default=list)
    recall = models.JSONField(default=list)
    tokens_in = models.PositiveIntegerField(default=0)
    tokens_out = models.PositiveIntegerField(default=0)
    latency_ms = models.FloatField(null=True, blank=True)
    forgotten_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "frame", "number"], name="case_run_once"),
            models.CheckConstraint(
                condition=models.Q(score__isnull=True) | models.Q(score__gte=0, score__lte=1),
                name="case_run_score_in_unit",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["run", "state", "frame", "number"], name="case_run_state"),
            models.Index(
                fields=["finished_at"],
                name="case_run_to_forget",
                condition=models.Q(forgotten_at__isnull=True, finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"case {self.case_id} in frame {self.frame} of run {self.run_id}"


class Comparison(MeasurementJob):
    """Two prompts, compared by one assistant on one ritual, pair by pair (`experiments.sequential_test`). `packed` is
    the state after the counted pairs; it can be recomputed from their rows, bit for bit. Results of a comparison are
    not evidence: which cases were run depends on earlier results."""

    ritual = models.ForeignKey(Ritual, on_delete=models.PROTECT, related_name="comparisons")
    first = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="comparisons")
    alpha = models.FloatField(help_text="the chance that a prompt is called better that is not")
    margin = models.FloatField(help_text="in points of score: so close are equals")
    most_pairs = models.PositiveIntegerField()
    packed = models.BinaryField()
    counted = models.PositiveIntegerField(default=0, help_text="pairs in `packed`")
    decision = models.CharField(max_length=8, default="open")

    PARENT_FIELD = "comparison"

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["started_by", "key"],
                name="comparison_key_once",
                condition=models.Q(key__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["assistant"],
                name="comparison_one_at_a_time",
                condition=models.Q(state="running"),
            ),
            models.CheckConstraint(
                condition=~models.Q(first=models.F("second")), name="comparison_of_two"
            ),
            models.CheckConstraint(
                condition=models.Q(alpha__gt=0, alpha__lt=1, margin__gt=0, margin__lt=1),
                name="comparison_terms",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "id"], name="comparison_state")]

    def __str__(self) -> str:
        return f"comparison {self.pk}: {self.first} and {self.second} by {self.assistant}, {self.ritual}"

    @property
    def items(self) -> "models.QuerySet[ComparisonCall]":
        return self.pair_runs.all()


class ComparisonCall(JobItem):
    """One prompt's half of a pair: the case that was drawn, the weight of the pair (`weight`), and the largest weight
    that a pair drawn there could have (`bound`)."""

    class Side(models.IntegerChoices):
        FIRST = 0, "first"
        SECOND = 1, "second"

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="pair_runs")
    pair = models.PositiveIntegerField(help_text="its place in the order of the draw, from 0")
    side = models.PositiveSmallIntegerField(choices=Side)
    number = models.PositiveSmallIntegerField(help_text="the case's place among those that weigh")
    weight = models.FloatField()
    bound = models.FloatField()

    class Meta:
        db_table = "rituals_pairrun"  # its first name
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["comparison", "pair", "side"], name="pair_run_once"),
            models.CheckConstraint(
                condition=models.Q(score__isnull=True) | models.Q(score__gte=0, score__lte=1),
                name="pair_run_score_in_unit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_side_display()} of pair {self.pair} of comparison {self.comparison_id}"


class ComparisonSnapshot(models.Model):
    """The result of a comparison after some number of pairs; it can be recomputed from its pairs, bit for bit."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="looks")
    pairs = models.PositiveIntegerField()
    mean = models.FloatField(help_text="the first prompt's score less the second's")
    low = models.FloatField()
    high = models.FloatField()

    class Meta:
        db_table = "rituals_look"  # its first name
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["comparison", "pairs"], name="look_once"),
        ]

    def __str__(self) -> str:
        return f"comparison {self.comparison_id} after {self.pairs} pairs"
