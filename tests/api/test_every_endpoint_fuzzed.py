"""Every endpoint, asked by everybody: whatever comes, what is answered is declared: the status, the headers, the shape.

Requests are made up by schemathesis (`fuzzing.py`): a few here, the same in every run, and many with
`HYPOTHESIS_PROFILE=nightly`, as `make nightly` does. Each is undone before the next, so none depends on another.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import hypothesis
import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from schemathesis import Case
from schemathesis import checks as conformance
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response

from mintmark.api import responses
from mintmark.config import wsgi
from tests.factories.api_world import World

from . import fuzzing
from .test_authorisation import CAST, ENDPOINTS, TABLE

IS_NIGHTLY = hypothesis.settings.get_current_profile_name() != "ci"
EXAMPLES = 200 if IS_NIGHTLY else 3

# Beside the cast, whose keys hold every scope: a key that only reads, and no key.
ROLES = (*CAST, "reader", "anonymous")

conformance.load_all_checks()
CHECKS = [
    conformance.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_headers_conformance,
    conformance.response_schema_conformance,
    conformance.negative_data_rejection,
]

NAMES_BY_TAG: dict[str, list[str]] = {}
for name in fuzzing.OPERATIONS:
    NAMES_BY_TAG.setdefault(ENDPOINTS[name].tag, []).append(name)


class Door:
    """The API as it is served, in the transaction of a test, asked in every role."""

    def __init__(self, world: World) -> None:
        self._headers = {who: world.as_(who).headers for who in CAST} | {
            "reader": world.as_("operator", scopes=("read",)).headers,
            "anonymous": {},
        }

    def ask(self, case: Case, *, role: str) -> Response:
        """The answer to a request, which is undone."""
        with undone():
            return case.call(app=wsgi.application, headers=self._headers[role])


@contextmanager
def undone() -> Iterator[None]:
    """Roll back what is written inside."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def door(world: World) -> Iterator[Door]:
    """The door; as with Django's own client, the end of a request leaves the connection open."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield Door(world)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def may(role: str, *, scope: str) -> bool:
    """Whether the key of a role opens endpoints of this scope."""
    return not scope or role in CAST or (role, scope) == ("reader", "read")


def roles(name: str) -> tuple[str, ...]:
    """Who asks an endpoint: at night everybody; by day who is let in the most, and who has no key.

    Who else is let in is in the table of authorisations, which every run tries row by row.
    """
    if IS_NIGHTLY:
        return ROLES
    let_in = Counter(
        who
        for row in TABLE
        if row.name == name
        for who, status in zip(CAST, row.statuses, strict=True)
        if status < 300
    )
    return (max(CAST, key=lambda who: let_in[who]), "anonymous")


def asked_by_everybody(door: Door, case: Case) -> Counter[int]:
    """The statuses that a request gets, once each answer was held against the schema."""
    name = case.operation.definition.raw["operationId"]
    scope = ENDPOINTS[name].scope
    statuses: Counter[int] = Counter()
    for role in roles(name):
        answer = door.ask(case, role=role)
        case.validate_response(answer, checks=CHECKS)
        assert answer.status_code >= 300 or may(role, scope=scope), (role, case.as_curl_command())
        statuses[answer.status_code] += 1
    return statuses


def found(door: Door, world: World, name: str) -> Counter[int]:
    """The statuses by which an endpoint answers what is known to be good, and whatever is made up."""
    statuses: Counter[int] = Counter()
    with undone():
        known = fuzzing.good(name=name, world=world)
        for request in known:
            statuses += asked_by_everybody(door, request.case(name))

        @hypothesis.settings(
            max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(fuzzing.cases(name=name, known=known))
        def whatever(case: Case) -> None:
            statuses.update(asked_by_everybody(door, case))

        whatever()
    return statuses


@pytest.mark.parametrize("tag", NAMES_BY_TAG)
def test_whatever_everybody_asks_the_answer_is_declared(
    door: Door, world: World, subtests: pytest.Subtests, tag: str
) -> None:
    for name in NAMES_BY_TAG[tag]:
        with subtests.test(name):
            statuses = found(door, world, name)
            assert any(200 <= status < 300 for status in statuses), statuses
            if ENDPOINTS[name].scope:
                assert any(400 <= status < 500 for status in statuses), statuses


def _fails(body: object, *, shape: object) -> bytes:
    raise RuntimeError("a mistake of the server's own")


@pytest.mark.parametrize(
    "write", [lambda body, *, shape: b"{}", lambda body, *, shape: b"{", _fails]
)
def test_an_answer_that_is_not_declared_is_noticed(
    door: Door, world: World, monkeypatch: pytest.MonkeyPatch, write: Callable[..., bytes]
) -> None:
    (request,) = fuzzing.good(name="get_me", world=world)
    assert asked_by_everybody(door, request.case("get_me"))
    monkeypatch.setattr(responses, "dump_json", write)
    with pytest.raises(FailureGroup):
        asked_by_everybody(door, request.case("get_me"))
