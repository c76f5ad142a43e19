"""Runner settings: how an assistant is reached, as an operator of its team configured it; and building that runner.

An API key is never stored: the settings name its environment variable, which is read when a run starts. So that no team
can send another team's key to its own endpoint, an operator can only name variables of their own team:
`MINTMARK_RUNNER_`, the team, `__`, a name.
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
from mintmark.common import errors, outbound_urls
from mintmark.registry import assistants
from mintmark.registry.models import Assistant

from .models import RunnerSettings
from .runners import ModelRunner
from .runners.openai import OpenAIRunner
from .runners.rehearsal import RehearsalRunner
from .runners.transcript import TranscriptRunner

KEY_PREFIX = "MINTMARK_RUNNER_"
_VARIABLE_SUFFIX_PATTERN = r"[A-Z0-9]+(?:_[A-Z0-9]+)*"
_MAX_PRICE_MICRO = 10**9
_MAX_CAP_MICRO = 10**15


class InvalidRunner(errors.DomainError):
    """The settings of a runner are invalid, or the runner can't be used with them."""

    code = "invalid_runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettingsInput:
    """How an assistant is to be reached. Prices are in micro-units of `currency` for 1,000 tokens. `judge` is the
    assistant that decides its rubrics. `transcript` holds replies as `runners.transcript.validate_replies` returns
    them."""

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


def configure(
    *, caller: Caller, assistant: Assistant, setup: RunnerSettingsInput, now: datetime
) -> RunnerSettings:
    """Set how an assistant is reached, replacing earlier settings. Runs in progress keep the settings they started
    with.

    The caller must be an operator of the assistant's team, and of the judge's. An endpoint that an administrator
    configures is the installation's: what is run there counts as executed. Raises `InvalidRunner`, which names every
    invalid field.
    """
    caller.require_scope("registry")
    assistants.require_operator(caller=caller, team_id=assistant.team_id)
    judge = None
    if setup.judge is not None:
        assistants.require_operator(caller=caller, team_id=setup.judge.team_id)
        judge = get_runner_settings(assistant=setup.judge)
    problems = list(_find_problems(setup))
    if setup.key_name and not _may_name_variable(caller, assistant, setup.key_name):
        # The value may be the API key itself, so it is not repeated in the error.
        problems.append(
            _build_field_error(
                "key_name", None, f"Name a variable {get_variable_prefix(assistant)}…."
            )
        )
    if problems:
        first = problems[0]
        raise InvalidRunner(f"{first['field']}: {first['message']}", rows=problems)
    is_reached = caller.is_admin and setup.kind in list_own_kinds()
    Assistant.objects.filter(pk=assistant.pk).update(
        is_reached=is_reached, is_judged=judge is not None and judge.assistant.is_reached
    )
    Assistant.objects.filter(runner__judge__assistant=assistant).update(is_judged=is_reached)
    return RunnerSettings.objects.update_or_create(
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


def get_runner_settings(*, assistant: Assistant) -> RunnerSettings:
    """The runner settings of an assistant. Raises `InvalidRunner` if there are none."""
    runner_settings = (
        RunnerSettings.objects.select_related("judge", "assistant")
        .filter(assistant=assistant)
        .first()
    )
    if runner_settings is None:
        raise InvalidRunner(f"{assistant} has no runner: set up its runner first.")
    return runner_settings


def list_own_kinds() -> list[str]:
    """The kinds of runners that can be the installation's own: endpoints, and in the demo a rehearsal, which says what
    it is."""
    own_kinds = [RunnerSettings.Kind.OPENAI.value]
    return [*own_kinds, RunnerSettings.Kind.REHEARSAL.value] if settings.IS_DEMO else own_kinds


def is_installations_own(*, runner: RunnerSettings, since: datetime) -> bool:
    """Whether this runner is an endpoint that an administrator configured, and has been since this time; its judge,
    which decides rubrics, as well."""
    return (
        runner.kind in list_own_kinds()
        and runner.assistant.is_reached
        and runner.configured_at <= since
        and (runner.judge is None or is_installations_own(runner=runner.judge, since=since))
    )


def visible_to(*, caller: Caller) -> QuerySet[RunnerSettings]:
    """The runner settings of assistants of the caller's teams; all of them for an admin."""
    runner_rows = RunnerSettings.objects.select_related("assistant__team", "judge__assistant")
    return (
        runner_rows if caller.is_admin else runner_rows.filter(assistant__team__in=caller.team_ids)
    )


def build_runner(runner: RunnerSettings) -> ModelRunner:
    """Build the runner from its settings, with its API key read from the environment. Close it after use."""
    if runner.kind == RunnerSettings.Kind.REHEARSAL:
        return RehearsalRunner()
    if runner.kind == RunnerSettings.Kind.TRANSCRIPT:
        return TranscriptRunner(replies=runner.transcript)
    # The hosts that the installation allows may have changed since.
    if address_problem := _find_address_problem(runner.base_url):
        raise InvalidRunner(f"The endpoint of {runner.assistant}: {address_problem}")
    return OpenAIRunner(
        base_url=runner.base_url,
        model=runner.model,
        key=read_api_key(runner),
        timeout_seconds=runner.timeout_seconds,
        max_bytes=settings.REPLY_MAX_BYTES,
    )


def read_api_key(runner: RunnerSettings) -> str:
    """The API key from the variable that the settings name, or from the file that this name with `_FILE` names; "" if
    they name none."""
    name = runner.key_name
    if not name:
        return ""
    api_key = os.environ.get(name, "")
    file = os.environ.get(f"{name}_FILE", "")
    if not api_key and file:
        try:
            api_key = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            api_key = ""
    api_key = api_key.strip()
    if not api_key or not api_key.isascii() or not api_key.isprintable():
        raise InvalidRunner(
            f"The environment variable {name} holds no key here: set it for the processes that run rituals."
        )
    return api_key


def _may_name_variable(caller: Caller, assistant: Assistant, name: str) -> bool:
    if re.fullmatch(re.escape(KEY_PREFIX) + r"[A-Z0-9_]{1,150}", name) is None:
        return False
    own_match = re.fullmatch(
        re.escape(get_variable_prefix(assistant)) + _VARIABLE_SUFFIX_PATTERN, name
    )
    # A variable …_FILE holds a path, so it can't be named as a key itself.
    return (caller.is_admin or own_match is not None) and name != KEY_PREFIX + "HOSTS"


def get_variable_prefix(assistant: Assistant) -> str:
    """The prefix of the environment variables that operators of the assistant's team may name."""
    return f"{KEY_PREFIX}{assistant.team.name.upper().replace('-', '_')}__"


def _find_problems(setup: RunnerSettingsInput) -> list[errors.FieldError]:
    problems = []
    if setup.kind not in RunnerSettings.Kind.values:
        problems.append(
            _build_field_error(
                "kind", setup.kind, f"It is one of {', '.join(RunnerSettings.Kind.values)}."
            )
        )
    if setup.kind == RunnerSettings.Kind.OPENAI:
        if address_problem := _find_address_problem(setup.base_url):
            shown_value = None if "@" in setup.base_url or "?" in setup.base_url else setup.base_url
            problems.append(_build_field_error("base_url", shown_value, address_problem))
        if not 1 <= len(setup.model) <= 200 or not setup.model.isprintable():
            problems.append(
                _build_field_error("model", setup.model, "An endpoint needs the name of a model.")
            )
    elif setup.base_url or setup.key_name:
        problems.append(
            _build_field_error("base_url", setup.base_url, f"A {setup.kind} calls no endpoint.")
        )
    if (setup.kind == RunnerSettings.Kind.TRANSCRIPT) != bool(setup.transcript):
        problems.append(
            _build_field_error(
                "transcript", None, "A transcript, and it alone, brings its replies."
            )
        )
    if not re.fullmatch(r"[A-Z]{1,8}", setup.currency):
        problems.append(
            _build_field_error("currency", setup.currency, "It is 1 to 8 capitals, such as USD.")
        )
    for name, minimum, maximum in (
        ("timeout_seconds", 0.1, 3_600),
        ("attempts", 1, 10),
        ("at_once", 1, 64),
        ("per_minute", 0, 100_000),
        ("price_in_micro", 0, _MAX_PRICE_MICRO),
        ("price_out_micro", 0, _MAX_PRICE_MICRO),
        ("cost_cap_micro", 0, _MAX_CAP_MICRO),
    ):
        value = getattr(setup, name)
        if value is not None and not minimum <= value <= maximum:
            problems.append(
                _build_field_error(name, value, f"It is a number from {minimum} to {maximum:,}.")
            )
    return problems


def _find_address_problem(base_url: str) -> str:
    """Why an address may not be called; "" if it may."""
    try:
        url_parts = outbound_urls.parse_url(
            base_url,
            example="https://api.example.com/v1",
            message="It holds a name, a password, a query or a fragment; a key goes into the environment.",
            allow_query=False,
        )
    except outbound_urls.InvalidUrl as error:
        return str(error)
    try:
        address = ipaddress.ip_address(url_parts.hostname or "")
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            return "Link-local and similar addresses serve secrets of cloud machines: give another address."
    except ValueError:
        pass
    allowed = settings.RUNNER_HOSTS
    if (
        "*" in allowed
        or url_parts.hostname in allowed
        or f"{url_parts.hostname}:{url_parts.port}" in allowed
    ):
        return ""
    return (
        f"This installation calls {', '.join(allowed) or 'no host'} alone (MINTMARK_RUNNER_HOSTS)."
    )


def _build_field_error(field: str, value: object, message: str) -> errors.FieldError:
    return errors.FieldError(row=0, field=field, value=value, message=message)
