"""Identities: people and assistants are principals. People have roles, and both can have bearer keys."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now


class User(AbstractUser):
    """A person who signs in to the pages."""


class Team(models.Model):
    """Owns assistants and prompts; its members form one cohort when they rate."""

    name = models.SlugField(max_length=64, unique=True)
    title = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    OPERATOR = "operator", "runs assistants and records evidence"
    AUTHOR = "author", "registers prompts"
    TREASURER = "treasurer", "issues tokens"
    AUDITOR = "auditor", "reads every record and no private text"
    ADMIN = "admin", "may do everything"


class Membership(models.Model):
    """One role of one person, in one team or (team empty) in the whole installation."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, related_name="memberships", null=True, blank=True
    )
    role = models.CharField(max_length=16, choices=Role)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "team", "role"], name="membership_once"),
            models.UniqueConstraint(
                fields=["user", "role"],
                name="membership_everywhere_once",
                condition=models.Q(team__isnull=True),
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="membership_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} in {self.team or 'every team'}"


class Principal(models.Model):
    """An identity that logs can name: a person, or an assistant (described by the package registry), who can both act;
    somebody of another installation to whom something is owed here; or this installation itself, which runs claims
    again."""

    class Kind(models.TextChoices):
        PERSON = "person"
        ASSISTANT = "assistant"
        FOREIGN = "foreign"
        INSTALLATION = "installation"

    kind = models.CharField(max_length=16, choices=Kind)
    name = models.CharField(max_length=200)
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="principals", null=True, blank=True
    )
    user = models.OneToOneField(
        User, on_delete=models.PROTECT, related_name="principal", null=True, blank=True
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(kind="person", user__isnull=False)
                | models.Q(kind="assistant", user__isnull=True)
                | models.Q(
                    kind__in=("foreign", "installation"), user__isnull=True, team__isnull=True
                ),
                name="principal_kind",
            ),
            models.UniqueConstraint(
                fields=["kind"],
                name="principal_installation_once",
                condition=models.Q(kind="installation"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Key(models.Model):
    """A bearer key: shown once when created, stored as the SHA-256 of its secret."""

    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="keys")
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.BinaryField(max_length=32)
    scopes = models.JSONField(default=list)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.principal}"
