"""Labels: names such as "production" that are moved by hand, each move with an audit row."""

import re
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.models import Principal
from mintmark.common import errors
from mintmark.storage import locks
from mintmark.webhooks import outbox

from .models import Label, LabelMove, Prompt

_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class InvalidLabel(errors.DomainError):
    """A label can't be moved like this."""

    code = "invalid_label"


def move(
    *,
    namespace: str,
    name: str,
    label: str,
    prompt: Prompt | None,
    actor: Principal,
    reason: str,
    now: datetime,
) -> LabelMove | None:
    """Point a label of the lineage `namespace/name` to `prompt`, or remove it (None); at once for every reader.

    Returns the audit row, or None if nothing changed.
    """
    if not _LABEL.fullmatch(label):
        raise InvalidLabel(f"The label {label[:64]!r}: use a-z, 0-9, '-' and '_', a letter first.")
    if len(reason) > 400:
        raise InvalidLabel(f"The reason has {len(reason)} characters; at most 400 are kept.")
    if prompt is not None and (prompt.namespace, prompt.name) != (namespace, name):
        raise InvalidLabel(f"{prompt.reference} is not a revision of {namespace}/{name}.")
    line_of = Prompt.objects.filter(namespace=namespace, name=name).order_by("revision")
    with transaction.atomic():
        # Lock the lineage's first revision: the label itself may have no row yet.
        locks.hold(Prompt, line_of.values_list("pk", flat=True)[:1])
        current_label = (
            Label.objects.filter(namespace=namespace, name=name, label=label)
            .select_related("prompt")
            .first()
        )
        previous_prompt = current_label.prompt if current_label is not None else None
        if previous_prompt == prompt:
            return None
        if prompt is None:
            assert current_label is not None
            current_label.delete()
        else:
            Label.objects.update_or_create(
                namespace=namespace, name=name, label=label, defaults={"prompt": prompt}
            )
        label_move = LabelMove.objects.create(
            namespace=namespace, name=name, label=label, before=previous_prompt, after=prompt, actor=actor,
            reason=reason, moved_at=now,
        )  # fmt: skip
        affected_prompt = prompt or previous_prompt
        assert affected_prompt is not None
        outbox.enqueue(
            kind="label.moved",
            team_ids=[affected_prompt.team_id],
            data={
                "line": f"{namespace}/{name}",
                "label": label,
                "before": previous_prompt.reference if previous_prompt else None,
                "after": prompt.reference if prompt else None,
                "by": actor.name,
                "reason": reason,
            },
            now=now,
        )
        return label_move


def list_moves(*, namespace: str, name: str, label: str | None = None) -> QuerySet[LabelMove]:
    """The moves of a lineage's labels, newest first."""
    moves = LabelMove.objects.filter(namespace=namespace, name=name)
    if label is not None:
        moves = moves.filter(label=label)
    return moves.select_related("before", "after", "actor").order_by("-id")
