"""One row by its id."""

from django.db import models

from mintmark.common import errors


def get_by_id[M: models.Model](rows: models.QuerySet[M], *, pk: int) -> M:
    """The row with this id; `NotFound` naming the noun otherwise."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise errors.NotFound(f"There is no {rows.model._meta.verbose_name} {pk}.")
    return row
