"""Projections of the log about prompts: what is here can be rebuilt from the log under a policy."""

from typing import ClassVar

from django.db import models

from mintmark.accounts.models import Principal
from mintmark.evidence.models import Event
from mintmark.registry.models import Prompt, Ritual


class Policy(models.Model):
    """The constants of the scores, as learned by one calibration. Append-only; `version` is its number."""

    version = models.BigAutoField(primary_key=True)
    pairs = models.TextField(help_text="core.pairs.PairPolicy as JSON")
    reputation = models.TextField(help_text="core.reputation_policy.ReputationPolicy as JSON")
    learned_from = models.PositiveBigIntegerField(default=0, help_text="events it was learned from")
    author = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, related_name="+")
    note = models.CharField(max_length=400, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        app_label = "reputation"
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return f"policy v{self.version}"


class ProjectionState(models.Model):
    """One row of a kernel's state: float64 numbers, little-endian, in the order the kernel's group has its columns.

    `block` says which group (`reputation.state.Block`), `first` and `second` whose row it is (ids; 0 where unused).
    """

    pk = models.CompositePrimaryKey("block", "first", "second")
    block = models.SmallIntegerField()
    first = models.BigIntegerField()
    second = models.BigIntegerField()
    numbers = models.BinaryField()

    class Meta:
        db_table = "reputation_foldstate"  # its first name
        app_label = "reputation"

    def __str__(self) -> str:
        return f"state {self.block}:{self.first}:{self.second}"


class EventEffect(models.Model):
    """The expected value and the effect of one event, under the current policy.

    `expected`: the pair model's prediction before it (measured kinds). `baseline`: what an average prompt would have
    scored there. `offset`: what the score was compared with in the prompt's reputation. `weight`: the effective runs it
    added. `trust_before` and `trust_after`: the prompt's trust score around it. NaN is stored as NULL.
    """

    event = models.OneToOneField(
        Event, on_delete=models.PROTECT, primary_key=True, related_name="effect"
    )
    expected = models.FloatField(null=True)
    baseline = models.FloatField(null=True)
    offset = models.FloatField(null=True)
    weight = models.FloatField()
    trust_before = models.FloatField(null=True)
    trust_after = models.FloatField(null=True)

    class Meta:
        app_label = "reputation"

    def __str__(self) -> str:
        return f"effect of {self.event_id}"


class PromptReputationScore(models.Model):
    """A prompt's reputation right after one recorded batch: append-only, so its rows are the prompt's history.

    Scores are in [0,1]. `user_rating_tags` counts the tags of live ratings; `symbolic_tags` are the prompt's own.
    `weight` is N, the effective runs behind the score, prior included; `trust_low` and `trust_high` its 90% interval.
    """

    prompt = models.ForeignKey(
        Prompt, on_delete=models.PROTECT, related_name="reputation_scores", db_index=False
    )
    ritual_effectiveness = models.FloatField()
    assistant_approval = models.FloatField()
    user_rating_tags = models.JSONField(default=dict)
    symbolic_tags = models.JSONField(default=list)
    trust_score = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)
    trust_low = models.FloatField()
    trust_high = models.FloatField()
    weight = models.FloatField()
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+", db_index=False)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        app_label = "reputation"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["prompt", "policy", "event"], name="reputation_score_once"
            ),
            models.CheckConstraint(
                condition=models.Q(trust_score__gte=0, trust_score__lte=1),
                name="reputation_score_in_unit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id}: {self.trust_score:.2f}"


class ImportedReputation(models.Model):
    """The reputation that another installation reported when a prompt was imported, as a prior: append-only, never
    evidence.

    It counts as `runs` (0: not at all) whose scores lie `lift` above what an average prompt scores, as of
    `accepted_at`; `told` is the summary as reported, `issuer` is who reported it.
    """

    prompt = models.OneToOneField(
        Prompt, on_delete=models.PROTECT, primary_key=True, related_name="foreign_reputation"
    )
    runs = models.FloatField()
    lift = models.FloatField()
    told = models.JSONField()
    issuer = models.CharField(max_length=200)
    accepted_at = models.DateTimeField()

    class Meta:
        db_table = "reputation_foreignreputation"  # its first name
        app_label = "reputation"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(runs__gte=0, lift__gte=-1, lift__lte=1),
                name="foreign_reputation_within",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id}: {self.lift:+.2f} from {self.issuer}"


class CurrentPromptScore(models.Model):
    """A prompt's reputation as of its last event: one row for each prompt with evidence, for lists and ranks.

    `ritual` is its home (the task it is compared in); `trust_bound` the lower 10% bound, by which prompts rank; `runs`
    its own measured runs; `rating_tags` counts the tags of live ratings.
    """

    prompt = models.OneToOneField(
        Prompt, on_delete=models.PROTECT, primary_key=True, related_name="standing"
    )
    ritual = models.ForeignKey(Ritual, on_delete=models.PROTECT, null=True, related_name="+")
    trust_score = models.FloatField()
    trust_low = models.FloatField()
    trust_high = models.FloatField()
    trust_bound = models.FloatField()
    ritual_effectiveness = models.FloatField()
    assistant_approval = models.FloatField()
    runs = models.FloatField()
    events = models.PositiveBigIntegerField()
    rating_tags = models.JSONField(default=dict)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        db_table = "reputation_standing"  # its first name
        app_label = "reputation"
        indexes: ClassVar = [models.Index(fields=["ritual", "trust_bound"], name="standing_rank")]

    def __str__(self) -> str:
        return f"{self.prompt_id}: {self.trust_score:.2f}"


class ActiveRating(models.Model):
    """The rating of a prompt by a rater that counts: the newest one."""

    pk = models.CompositePrimaryKey("prompt_id", "rater_id")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    rater = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+", db_index=False)
    score = models.FloatField()
    tags = models.JSONField(default=list)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        db_table = "reputation_liverating"  # its first name
        app_label = "reputation"

    def __str__(self) -> str:
        return f"{self.rater_id} on {self.prompt_id}"
