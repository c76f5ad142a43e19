"""Runners: how an assistant is reached, said by an operator of its team; and the runner that this makes.

A key is never kept: its environment variable is named, and read when a run begins. So that no team sends another's key
to an endpoint of its own, an operator names variables of his team alone: `MINTMARK_RUNNER_`, the team, `__`, a name.
"""

import ipaddress
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.core import errors
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.webhooks import addresses

from .models import Runner
from .runners import Answering
from .runners.openai import OpenAI
from .runners.rehearsal import Rehearsal
from .runners.transcript import Transcript

KEY_PREFIX = "MINTMARK_RUNNER_"
_OWN_NAME = r"[A-Z0-9]+(?:_[A-Z0-9]+)*"
_MOST_PRICE_MICRO = 10**9
_MOST_CAP_MICRO = 10**15


class InvalidRunner(errors.Refusal):
    """A runner can't be set up as asked, or can't be used as it is set up."""

    code = "invalid_runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How an assistant is to be reached. Prices are in micro-units of `currency` for 1,000 tokens; `judge` is the
    assistant that decides its rubrics; `transcript` holds replies as `runners.transcript.checked` gives them."""

    kind: str
    base_url: str = ""
    model: str = ""
    key_name: str = ""
    timeout_seconds: float = 60.0
    attempts: int = 4
    at_once: int = 4
    per_minute: int = 0
    price_in_micro: int = 0
    price_out_micro: int = 0
    currency: str = "USD"
    cost_cap_micro: int | None = None
    judge: Assistant | None = None
    transcript: dict[str, dict[str, object]] | None = None


def configure(*, caller: Caller, assistant: Assistant, setup: Setup, now: datetime) -> Runner:
    """Say how an assistant is reached, in the place of what was said before; runs under way go on as they began.

    It takes an operator of the assistant's team, and of the judge's. Raises `InvalidRunner`, naming every field.
    """
    caller.require_scope("registry")
    assistants.require_operator(caller=caller, team_id=assistant.team_id)
    judge = None
    if setup.judge is not None:
        assistants.require_operator(caller=caller, team_id=setup.judge.team_id)
        judge = of(assistant=setup.judge)
    problems = list(_problems(setup))
    if setup.key_name and not _may_name(caller, assistant, setup.key_name):
        # What stands there may be the key itself, and is not said again.
        problems.append(_row("key_name", None, f"Name a variable {own_prefix(assistant)}…."))
    if problems:
        first = problems[0]
        raise InvalidRunner(f"{first['field']}: {first['message']}", rows=problems)
    return Runner.objects.update_or_create(
        assistant=assistant,
        defaults={
            "kind": setup.kind,
            "base_url": setup.base_url,
            "model": setup.model,
            "key_name": setup.key_name,
            "timeout_seconds": setup.timeout_seconds,
            "attempts": setup.attempts,
            "at_once": setup.at_once,
            "per_minute": setup.per_minute,
            "price_in_micro": setup.price_in_micro,
            "price_out_micro": setup.price_out_micro,
            "currency": setup.currency,
            "cost_cap_micro": setup.cost_cap_micro,
            "judge": judge,
            "transcript": setup.transcript or {},
            "configured_by": caller.principal,
            "configured_at": now,
        },
    )[0]


def of(*, assistant: Assistant) -> Runner:
    """How an assistant is reached. `InvalidRunner` where nobody has said it."""
    found = Runner.objects.select_related("judge", "assistant").filter(assistant=assistant).first()
    if found is None:
        raise InvalidRunner(f"Nobody has said how {assistant} is reached: set up its runner first.")
    return found


def visible_to(*, caller: Caller) -> QuerySet[Runner]:
    """The runners of assistants of the caller's teams; every one to an admin."""
    found = Runner.objects.select_related("assistant__team", "judge__assistant")
    return found if caller.is_admin else found.filter(assistant__team__in=caller.team_ids)


def made(runner: Runner) -> Answering:
    """The runner that a setup makes, its key read from the environment. To be closed after use."""
    if runner.kind == Runner.Kind.REHEARSAL:
        return Rehearsal()
    if runner.kind == Runner.Kind.TRANSCRIPT:
        return Transcript(replies=runner.transcript)
    # What an installation allows may have changed since it was said.
    if said := _address_problem(runner.base_url):
        raise InvalidRunner(f"The endpoint of {runner.assistant}: {said}")
    return OpenAI(
        base_url=runner.base_url,
        model=runner.model,
        key=key(runner),
        timeout_seconds=runner.timeout_seconds,
        most_bytes=settings.REPLY_MAX_BYTES,
    )


def key(runner: Runner) -> str:
    """What the variable that a runner names holds, or the file that it names with `_FILE` behind it; empty for none."""
    name = runner.key_name
    if not name:
        return ""
    held = os.environ.get(name, "")
    file = os.environ.get(f"{name}_FILE", "")
    if not held and file:
        try:
            held = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            held = ""
    held = held.strip()
    if not held or not held.isascii() or not held.isprintable():
        raise InvalidRunner(
            f"The environment variable {name} holds no key here: set it for the processes that run rituals."
        )
    return held


def _may_name(caller: Caller, assistant: Assistant, name: str) -> bool:
    if re.fullmatch(re.escape(KEY_PREFIX) + r"[A-Z0-9_]{1,150}", name) is None:
        return False
    own = re.fullmatch(re.escape(own_prefix(assistant)) + _OWN_NAME, name)
    # …_FILE says where a key is; the setting of that name is none.
    return (caller.is_admin or own is not None) and name != KEY_PREFIX + "HOSTS"


def own_prefix(assistant: Assistant) -> str:
    """What the names of variables begin with that operators of the assistant's team may name."""
    return f"{KEY_PREFIX}{assistant.team.name.upper().replace('-', '_')}__"


def _problems(setup: Setup) -> list[errors.Row]:
    found = []
    if setup.kind not in Runner.Kind.values:
        found.append(_row("kind", setup.kind, f"It is one of {', '.join(Runner.Kind.values)}."))
    if setup.kind == Runner.Kind.OPENAI:
        if said := _address_problem(setup.base_url):
            shown = None if "@" in setup.base_url or "?" in setup.base_url else setup.base_url
            found.append(_row("base_url", shown, said))
        if not 1 <= len(setup.model) <= 200 or not setup.model.isprintable():
            found.append(_row("model", setup.model, "An endpoint needs the name of a model."))
    elif setup.base_url or setup.key_name:
        found.append(_row("base_url", setup.base_url, f"A {setup.kind} calls no endpoint."))
    if (setup.kind == Runner.Kind.TRANSCRIPT) != bool(setup.transcript):
        found.append(_row("transcript", None, "A transcript, and it alone, brings its replies."))
    if not re.fullmatch(r"[A-Z]{1,8}", setup.currency):
        found.append(_row("currency", setup.currency, "It is 1 to 8 capitals, such as USD."))
    for name, least, most in (
        ("timeout_seconds", 0.1, 3_600),
        ("attempts", 1, 10),
        ("at_once", 1, 64),
        ("per_minute", 0, 100_000),
        ("price_in_micro", 0, _MOST_PRICE_MICRO),
        ("price_out_micro", 0, _MOST_PRICE_MICRO),
        ("cost_cap_micro", 0, _MOST_CAP_MICRO),
    ):
        value = getattr(setup, name)
        if value is not None and not least <= value <= most:
            found.append(_row(name, value, f"It is a number from {least} to {most:,}."))
    return found


def _address_problem(base_url: str) -> str:
    """What keeps an address from being called; nothing where it may be."""
    try:
        parts = addresses.well_formed(
            base_url,
            example="https://api.example.com/v1",
            says="It holds a name, a password, a query or a fragment; a key goes into the environment.",
            query=False,
        )
    except addresses.Malformed as wrong:
        return str(wrong)
    try:
        address = ipaddress.ip_address(parts.hostname or "")
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            return "Endpoints are not at such addresses: there machines tell secrets of their own."
    except ValueError:
        pass
    allowed = settings.RUNNER_HOSTS
    if "*" in allowed or parts.hostname in allowed or f"{parts.hostname}:{parts.port}" in allowed:
        return ""
    return (
        f"This installation calls {', '.join(allowed) or 'no host'} alone (MINTMARK_RUNNER_HOSTS)."
    )


def _row(field: str, value: object, message: str) -> errors.Row:
    return errors.Row(row=0, field=field, value=value, message=message)
