"""Rituals by version: evidence names the version it was measured with."""

import re
from collections.abc import Mapping
from typing import Any

from django.db.models import Max

from mintmark.accounts.callers import Caller
from mintmark.common import errors

from . import name_owners
from .models import NameOwner, Ritual

_NAME = re.compile(r"[\w][\w .:/()&,'+-]{0,199}")
_TAG = re.compile(r"[\w@][\w.:+-]{0,99}")


class InvalidRitual(errors.DomainError):
    """A ritual can't be registered as asked."""

    code = "invalid_ritual"


def register(
    *,
    name: str,
    tag: str,
    description: str = "",
    definition: Mapping[str, Any] | None = None,
    version: int | None = None,
    caller: Caller | None = None,
) -> Ritual:
    """Register a ritual; the same definition again returns the existing version, a changed one becomes the next.

    With a `caller`, the name is their team's from its first version on, and only its owner releases the next ones
    (`name_owners.OwnedName`); without, it is the installation's own doing.

    `tag` is the task that it measures, such as `task:summarise`.
    """
    if not _NAME.fullmatch(name) or name != name.strip() or name.isdigit():
        raise InvalidRitual(
            f"The name {name[:200]!r}: use 1 to 200 letters, digits, spaces or . : / - _"
        )
    if not _TAG.fullmatch(tag):
        raise InvalidRitual(f"The tag {tag[:100]!r}: use a label such as 'task:summarise'.")
    if version is not None and not 1 <= version <= 2**31 - 1:
        raise InvalidRitual(f"The version {version}: use a whole number from 1.")
    new_definition = dict(definition or {})
    versions = Ritual.objects.filter(name=name)
    same = versions.filter(tag=tag).order_by("-version").first()
    if same is not None and same.definition == new_definition and version in (None, same.version):
        return same
    next_version = (versions.aggregate(last=Max("version"))["last"] or 0) + 1
    number = version if version is not None else next_version
    if versions.filter(version=number).exists():
        raise InvalidRitual(
            f"{name}@{number} is registered with another definition; evidence names it, so it never changes."
        )
    if number > next_version:
        raise InvalidRitual(
            f"{name}@{number} would leave a gap: versions count up by 1, and the next is {next_version}."
        )
    if caller is not None:
        name_owners.require_release(
            kind=NameOwner.Kind.RITUAL, name=name, caller=caller, is_known=next_version > 1
        )
    return Ritual.objects.create(
        name=name, version=number, tag=tag, description=description, definition=new_definition
    )


def find_by_task(*, reference: str) -> list[Ritual]:
    """The rituals that measure a task: all with this tag (`task:summarise`), else the one with this name."""
    tagged = list(Ritual.objects.filter(tag=reference))
    return tagged or [resolve(reference=reference)]


def resolve(*, reference: str) -> Ritual:
    """The ritual with this id, `name@version`, or `name` (its newest version)."""
    name, _, version = reference.rpartition("@")
    ritual = None
    if name and version.isascii() and version.isdigit() and len(version) < 10:
        ritual = Ritual.objects.filter(name=name, version=int(version)).first()
    if ritual is None:
        ritual = Ritual.objects.filter(name=reference).order_by("-version").first()
    if ritual is None and reference.isascii() and reference.isdigit() and len(reference) < 19:
        ritual = Ritual.objects.filter(pk=int(reference)).first()
    if ritual is None:
        raise errors.NotFound(f"No ritual {reference[:200]!r}: give its name, name@version or id.")
    return ritual
