"""Labels: names such as `production` that are moved by hand, each move with an audit row."""

import re
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.models import Principal
from mintmark.core import errors
from mintmark.database import locks
from mintmark.webhooks import outbox

from .models import Label, LabelMove, Prompt

_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class InvalidLabel(errors.Refusal):
    """A label can't be moved as asked."""

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
    """Point a label of the line `namespace/name` to `prompt`, or take it away (None); at once for every reader.

    Returns the audit row, or None when the label stood there already.
    """
    if not _LABEL.fullmatch(label):
        raise InvalidLabel(f"The label {label[:64]!r}: use a-z, 0-9, '-' and '_', a letter first.")
    if len(reason) > 400:
        raise InvalidLabel(f"The reason has {len(reason)} characters; at most 400 are kept.")
    if prompt is not None and (prompt.namespace, prompt.name) != (namespace, name):
        raise InvalidLabel(f"{prompt.reference} is no revision of {namespace}/{name}.")
    line_of = Prompt.objects.filter(namespace=namespace, name=name).order_by("revision")
    with transaction.atomic():
        # The line's first revision: the label itself may have no row yet.
        locks.hold(Prompt, line_of.values_list("pk", flat=True)[:1])
        standing = (
            Label.objects.filter(namespace=namespace, name=name, label=label)
            .select_related("prompt")
            .first()
        )
        before = standing.prompt if standing is not None else None
        if before == prompt:
            return None
        if prompt is None:
            assert standing is not None
            standing.delete()
        else:
            Label.objects.update_or_create(
                namespace=namespace, name=name, label=label, defaults={"prompt": prompt}
            )
        made = LabelMove.objects.create(
            namespace=namespace, name=name, label=label, before=before, after=prompt, actor=actor,
            reason=reason, moved_at=now,
        )  # fmt: skip
        line = prompt or before
        assert line is not None
        outbox.tell(
            kind="label.moved",
            team_ids=[line.team_id],
            data={
                "line": f"{namespace}/{name}",
                "label": label,
                "before": before.reference if before else None,
                "after": prompt.reference if prompt else None,
                "by": actor.name,
                "reason": reason,
            },
            now=now,
        )
        return made


def history(*, namespace: str, name: str, label: str | None = None) -> QuerySet[LabelMove]:
    """The moves of a line's labels, newest first."""
    moves = LabelMove.objects.filter(namespace=namespace, name=name)
    if label is not None:
        moves = moves.filter(label=label)
    return moves.select_related("before", "after", "actor").order_by("-id")
