"""One row by its id."""

from django.db import models

from mintmark.core import errors


def by_id[M: models.Model](rows: models.QuerySet[M], *, pk: int) -> M:
    """The row with this id; `NotFound` naming the noun otherwise."""
    found = rows.filter(pk=pk).first()
    if found is None:
        raise errors.NotFound(f"There is no {rows.model._meta.verbose_name} {pk}.")
    return found
