"""Projections of the log about pairs of assistant and prompt, and how far the log is projected."""

from typing import ClassVar

from django.db import models

from mintmark.projection.prompt_models import Policy
from mintmark.registry.models import Assistant, Prompt, Ritual


class AssistantPromptTrustMap(models.Model):
    """What one assistant makes of one prompt whatever the task, as of the last event of this pair.

    `resonance_score` in [−1,1] is the lift of the pair over what assistant and prompt predict alone, on the task of its
    last decisive event. `symbolic_compliance` in [0,1]: share of clause checks passed. `dreamframe_volatility` ≥ 0:
    spread over replays beyond sampling noise. `mutation_bias`: drift by forks this assistant made. `memory_fidelity` in
    [0,1]. Where nothing was observed, the `*_checks`/`*_runs` count beside a measure is 0 and the measure is its prior.
    The expected score differs from task to task: `AssistantPromptTaskTrust` has it.
    """

    assistant = models.ForeignKey(
        Assistant, on_delete=models.PROTECT, related_name="trust_map", db_index=False
    )
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="trust_map")
    resonance_score = models.FloatField(default=0.0)
    symbolic_compliance = models.FloatField(default=0.0)
    dreamframe_volatility = models.FloatField(default=0.0)
    mutation_bias = models.FloatField(default=0.0)
    updated_at = models.DateTimeField(auto_now=True)
    memory_fidelity = models.FloatField(default=0.0)
    runs = models.FloatField(default=0.0)
    proven_runs = models.FloatField(default=0.0)
    clause_checks = models.FloatField(default=0.0)
    recall_checks = models.FloatField(default=0.0)
    replay_runs = models.FloatField(default=0.0)
    fork_runs = models.FloatField(default=0.0)
    events = models.PositiveBigIntegerField(default=0)
    event = models.BigIntegerField(default=0, help_text="the last event of this pair")

    class Meta:
        app_label = "trust"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assistant", "prompt"], name="trust_map_once"),
        ]

    def __str__(self) -> str:
        return f"{self.assistant_id} × {self.prompt_id}"


class AssistantPromptTaskTrust(models.Model):
    """The trust of one assistant in one prompt on one task, as of the last event of the pair there.

    `ritual` is the first version of the task's ritual. `trust` with its 90% interval is the expected score there and
    `resonance` the lift of the pair, from decisive runs alone (`proven_runs` of `runs`; null before the first);
    `own_…` is the same as the assistant's team sees it, with all that it reported. `logit` and `own_logit` are the
    means behind them, on the logit scale.
    """

    assistant = models.ForeignKey(
        Assistant, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+", db_index=False)
    ritual = models.ForeignKey(Ritual, on_delete=models.PROTECT, related_name="+", db_index=False)
    pair = models.ForeignObject(
        AssistantPromptTrustMap,
        on_delete=models.DO_NOTHING,
        from_fields=["assistant", "prompt"],
        to_fields=["assistant", "prompt"],
        related_name="tasks",
    )
    trust = models.FloatField(null=True)
    trust_low = models.FloatField(null=True)
    trust_high = models.FloatField(null=True)
    resonance = models.FloatField(null=True)
    logit = models.FloatField(null=True)
    own_trust = models.FloatField(null=True)
    own_trust_low = models.FloatField(null=True)
    own_trust_high = models.FloatField(null=True)
    own_resonance = models.FloatField(null=True)
    own_logit = models.FloatField(null=True)
    runs = models.FloatField(default=0.0)
    proven_runs = models.FloatField(default=0.0)
    event = models.BigIntegerField(default=0, help_text="the last measured event of this row")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "trust"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["assistant", "prompt", "ritual"], name="trust_task_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.assistant_id} × {self.prompt_id} on {self.ritual_id}"

    def get_readout(self, *, is_own: bool) -> tuple[float, float, float, float] | None:
        """Trust, its interval and resonance, as everybody sees them or as the assistant's team does; None where nothing
        was measured in that view."""
        values = (
            (self.own_trust, self.own_trust_low, self.own_trust_high, self.own_resonance)
            if is_own
            else (self.trust, self.trust_low, self.trust_high, self.resonance)
        )
        trust, low, high, resonance = values
        if trust is None or low is None or high is None or resonance is None:
            return None
        return trust, low, high, resonance

    def count_runs(self, *, is_own: bool) -> float:
        """The runs on this task that count in a view."""
        return self.runs if is_own else self.proven_runs


class ProjectionCheckpoint(models.Model):
    """How far the log is projected, and under which policy: one row."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    xid = models.BigIntegerField(default=-1)
    event = models.BigIntegerField(default=0)
    folded = models.PositiveBigIntegerField(default=0)
    folded_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "trust_cursor"  # its first name
        app_label = "trust"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="cursor_is_one_row"),
        ]

    def __str__(self) -> str:
        return f"folded up to event {self.event}"
