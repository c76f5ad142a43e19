"""Registered things: prompts and their lineage, assistants, rituals, codices, and who may read which text."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from mintmark.accounts.models import Principal, Team


class Assistant(models.Model):
    """An LLM agent's identity: it acts as its principal, which holds its keys."""

    name = models.CharField(max_length=200, unique=True)
    principal = models.OneToOneField(Principal, on_delete=models.PROTECT, related_name="assistant")
    owner = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="owned_assistants")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="assistants")
    model = models.CharField(max_length=200, blank=True, help_text="the language model behind it")
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    is_reached = models.BooleanField(
        default=False, help_text="an administrator configured how this installation reaches it"
    )
    is_judged = models.BooleanField(
        default=False, help_text="and how it reaches the judge that grades its rubrics"
    )

    def __str__(self) -> str:
        return self.name


class MemoryEntry(models.Model):
    """An entry of an assistant's memory; recall evidence compares outputs with it."""

    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="memory")
    key = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assistant", "key"], name="memory_entry_once"),
        ]

    def __str__(self) -> str:
        return f"{self.assistant}: {self.key}"


class Derivation(models.TextChoices):
    ROOT = "root", "not derived from anything known here"
    REVISION = "revision", "the next text of the same line"
    FORK = "fork", "a text of another line, changed"


class Prompt(models.Model):
    """One exact text, for good: database triggers refuse to change a registered one.

    `namespace/name` is the lineage it belongs to and `revision` its place there; `digest` is the SHA-256 of its bytes.
    `wording` holds the features of the text (float64, as `scoring.text_features` version `wording_version` computes
    them).
    """

    namespace = models.SlugField(max_length=64)
    name = models.CharField(max_length=200)
    revision = models.PositiveIntegerField()
    title = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    digest = models.CharField(max_length=64, db_index=True)
    preview = models.CharField(max_length=400, blank=True)
    is_open = models.BooleanField(default=False, help_text="whether everybody may read the text")
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="children", null=True, blank=True
    )
    derivation = models.CharField(max_length=16, choices=Derivation)
    mutation_note = models.CharField(max_length=200, blank=True)
    forked_by = models.ForeignKey(
        Assistant, on_delete=models.PROTECT, related_name="forks", null=True, blank=True
    )
    author = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="prompts")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="prompts")
    variables = models.JSONField(default=list)
    tags = models.JSONField(default=list)
    licence = models.CharField(max_length=64, blank=True, help_text="an SPDX identifier")
    wording = models.BinaryField()
    wording_version = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["namespace", "name", "revision"], name="prompt_revision_once"
            ),
            models.CheckConstraint(
                condition=models.Q(revision__gte=1), name="prompt_revision_from_1"
            ),
            models.CheckConstraint(
                condition=models.Q(derivation="root", parent__isnull=True)
                | models.Q(derivation__in=["revision", "fork"], parent__isnull=False),
                name="prompt_derivation_has_parent",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def qualified_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def reference(self) -> str:
        return f"{self.namespace}/{self.name}@{self.revision}"


class PromptTag(models.Model):
    """A prompt's symbolic tag, one row each, so that tags can be searched; `Prompt.tags` keeps their order."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="taggings")
    tag = models.CharField(max_length=100, db_index=True)

    class Meta:
        db_table = "registry_tagging"  # its first name
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "tag"], name="tagging_once"),
        ]

    def __str__(self) -> str:
        return self.tag


class Entitlement(models.Model):
    """A team other than the owner that may read and use a prompt's text, until it ends; ended ones are kept."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="entitlements")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="entitlements")
    reason = models.CharField(max_length=200)
    granted_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=400, blank=True, db_default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["prompt", "team"],
                name="entitlement_once",
                condition=models.Q(ended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.team} may use {self.prompt_id}"


class Tombstone(models.Model):
    """A prompt that must not be used any more: its text is served to its own team only. Append-only."""

    prompt = models.OneToOneField(Prompt, on_delete=models.PROTECT, related_name="tombstone")
    actor = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=400)
    set_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.prompt_id} is withdrawn: {self.reason}"


class Label(models.Model):
    """A name such as "production" that points to one revision of a lineage and can be moved."""

    namespace = models.SlugField(max_length=64)
    name = models.CharField(max_length=200)
    label = models.SlugField(max_length=64)
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="labels")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["namespace", "name", "label"], name="label_once"),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}@{self.label}"


class LabelMove(models.Model):
    """One move of a label: append-only, the audit trail of what was in production when."""

    namespace = models.SlugField(max_length=64)
    name = models.CharField(max_length=200)
    label = models.SlugField(max_length=64)
    before = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+", null=True)
    after = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+", null=True)
    actor = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=400, blank=True)
    moved_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}@{self.label}"


class NameOwner(models.Model):
    """The team that a task's or a rule set's name belongs to; none: the installation, so that administrators release
    its versions."""

    class Kind(models.TextChoices):
        RITUAL = "ritual", "a task (ritual)"
        CODEX = "codex", "a rule set (codex)"

    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=200)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+", null=True)
    given_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "name"], name="name_owned_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.team or 'the installation'}"


class PromptSketch(models.Model):
    """One of a prompt's smallest shingle hashes (`textchecks.shingles`): what near-copies of it are found by."""

    prompt = models.ForeignKey(
        Prompt, on_delete=models.PROTECT, related_name="sketch", db_index=False
    )
    shingle = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shingle", "prompt"], name="prompt_sketch_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["prompt"], name="prompt_sketch_of")]

    def __str__(self) -> str:
        return f"shingle {self.shingle} of prompt {self.prompt_id}"


class NearCopy(models.Model):
    """A prompt that holds most of what another team registered before it: `likeness` is the share of the original's
    shingles that it has. Append-only."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="near_copies_of")
    original = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="near_copies")
    likeness = models.FloatField()

    class Meta:
        verbose_name_plural = "near-copies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "original"], name="near_copy_once"),
        ]

    def __str__(self) -> str:
        return f"prompt {self.prompt_id} holds {self.likeness:.0%} of prompt {self.original_id}"


class Ritual(models.Model):
    """An evaluation protocol, by version; its `tag` is the task that it measures.

    Evidence names the ritual by its version; all versions of one ritual share its `name`.
    """

    name = models.CharField(max_length=200)
    version = models.PositiveIntegerField(default=1)
    tag = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    definition = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "version"], name="ritual_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class Codex(models.Model):
    """A rule set, by version: a list of clauses in plain words with their severity and check."""

    name = models.CharField(max_length=200)
    version = models.PositiveIntegerField(default=1)
    description = models.TextField(blank=True)
    clauses = models.JSONField(default=list)
    assistants = models.ManyToManyField(Assistant, related_name="codices", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "codices"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "version"], name="codex_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class CodexContract(models.Model):
    """Binds a prompt to a codex: the prompt must satisfy its clauses."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="contracts")
    codex = models.ForeignKey(Codex, on_delete=models.PROTECT, related_name="contracts")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "codex"], name="codex_contract_once"),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id} keeps {self.codex}"
