"""The answers to writes, kept for a day, so that a repeated write is answered and not done again."""

from typing import ClassVar

from django.db import models

from mintmark.accounts.models import Principal


class IdempotentResponse(models.Model):
    """The answer to the write that a principal sent under one `Idempotency-Key`; `digest` is of what was asked."""

    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    digest = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField(default=0)
    location = models.CharField(max_length=400, blank=True)
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "api_keptanswer"  # its first name
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["principal", "key"], name="kept_answer_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["principal", "created_at"], name="kept_answer_age"),
        ]

    def __str__(self) -> str:
        return f"answer to {self.key}"
