"""`/injections`: what is at work in an assistant, what was, and the gates that a prompt has to pass."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.core import errors
from mintmark.market import gates as market_gates
from mintmark.market import injections
from mintmark.market.injections import Served
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import Injection
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Assistant, Prompt

from . import clock, lookups, paging, permissions, shapes, verdicts
from .answers import Created
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes
from .shapes import AsOf, Policy
from .verdicts import VerdictShape

routes = Routes(tag="injections")


class ServedShape(TypedDict):
    """A prompt at work: `text` with the injection's variables filled in; `open_variables` are left to the assistant."""

    injection: int
    slot: str
    prompt: shapes.PromptNamed
    digest: str
    text: str
    open_variables: list[str]
    injected_at: datetime


class ContextShape(TypedDict):
    """All that is at work in an assistant now, by slot."""

    items: list[ServedShape]


class InjectionShape(TypedDict):
    """A prompt put to work, until `ended_at` (null: it is in its slot). `variables` names those that were filled in;
    `overridden` the gates that were passed by for `override_reason`."""

    id: int
    assistant: shapes.Named
    slot: str
    prompt: shapes.PromptNamed
    variables: list[str]
    injected_by: str
    injected_at: datetime
    overridden: list[str]
    override_reason: str
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str


class InjectionPage(TypedDict):
    items: list[InjectionShape]
    next_cursor: str | None


class GateShape(TypedDict):
    """A gate between a prompt and an assistant: whether it is `open`, in words why, and whether an operator may
    override it with a reason. `verdicts` of the gate `contract` are what every clause says of the text."""

    name: str
    open: bool
    says: str
    may_override: bool
    verdicts: list[VerdictShape]


class GatesShape(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[GateShape]


class NewInjection(Body):
    """A prompt to put to work in a slot, in the place of what stands there. `override_reason` passes by the contract
    and the trust floor."""

    prompt: Id | Reference
    slot: str = injections.DEFAULT_SLOT
    variables: Annotated[dict[str, str], Field(max_length=200)] = {}
    override_reason: str = ""


@routes.get("/assistants/{int:assistant_id}/context", scope="read", answer=ContextShape)
def context(request: Request, assistant_id: Id) -> ContextShape:
    """Show what is at work in an assistant now, with its text: to itself and its team.

    What was withdrawn, revoked or taken from the market for good is not in it.
    """
    told = SymbolicPromptTokenMarketplace().context(
        caller=request.auth, assistant=_assistant(assistant_id)
    )
    return {"items": [_served(one) for one in told]}


@routes.get(
    "/assistants/{int:assistant_id}/injections",
    scope="read",
    answer=InjectionPage,
    refuses=(400,),
)
def listed(
    request: Request, assistant_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> InjectionPage:
    """List what was ever put to work in an assistant, newest first: to itself, its team and auditors."""
    assistant = _assistant(assistant_id)
    permissions.require_record_reader(request.auth, assistant=assistant)
    rows = injections.history(assistant=assistant).select_related("assistant")
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.get("/injections/{int:injection_id}", scope="read", answer=InjectionShape)
def shown(request: Request, injection_id: Id) -> InjectionShape:
    """Show an injection, at work or ended."""
    return _shape(_injection(request, injection_id))


@routes.post(
    "/assistants/{int:assistant_id}/injections",
    scope="market",
    body=NewInjection,
    answer=InjectionShape,
)
def injected(request: Request, assistant_id: Id, body: NewInjection) -> Created[InjectionShape]:
    """Put a prompt to work in a slot of an assistant, in the place of what stands there.

    It takes the role operator in its team, or the assistant itself. A closed gate refuses it; an operator may override
    the contract and the trust floor. The same injection again changes nothing.
    """
    row = SymbolicPromptTokenMarketplace().inject(
        caller=request.auth,
        prompt=prompts.named(reference=str(body.prompt)),
        assistant=_assistant(assistant_id),
        slot=body.slot,
        variables=body.variables,
        override_reason=body.override_reason,
        now=timezone.now(),
    )
    return Created(body=_shape(row), location=f"/api/v1/injections/{row.pk}")


@routes.delete("/injections/{int:injection_id}", scope="market")
def withdrawn(request: Request, injection_id: Id, reason: str = "") -> None:
    """Take a prompt out of an assistant's context, for a reason that is kept; its next request finds it gone.

    It takes the role operator in the assistant's team, or the assistant itself.
    """
    SymbolicPromptTokenMarketplace().withdraw_injection(
        caller=request.auth,
        injection=_injection(request, injection_id),
        reason=reason,
        now=timezone.now(),
    )


@routes.get("/prompts/{int:prompt_id}/gates", scope="read", answer=GatesShape)
def gates(
    request: Request,
    prompt_id: Id,
    assistant: Annotated[str, Query(min_length=1, max_length=300, description="its id or name")],
) -> GatesShape:
    """Say what stands between a prompt and an assistant: to the assistant itself and its team.

    What the contract's clauses find in the text is told once the team may use it.
    """
    named = assistants.named(reference=assistant)
    injections.require_may_read(caller=request.auth, assistant=named)
    found = market_gates.of(
        prompt=lookups.by_id(Prompt.objects.all(), pk=prompt_id),
        assistant=named,
        now=clock.reading(),
    )
    return {
        **shapes.current(),
        "items": [
            {
                "name": gate.name,
                "open": gate.is_open,
                "says": gate.says,
                "may_override": gate.may_override,
                "verdicts": verdicts.told(gate.verdicts),
            }
            for gate in found
        ],
    }


def _assistant(assistant_id: int) -> Assistant:
    return lookups.by_id(Assistant.objects.all(), pk=assistant_id)


def _injection(request: Request, injection_id: int) -> Injection:
    """An injection that the caller may know of; any other looks like none."""
    rows = Injection.objects.select_related("assistant", "prompt", "injected_by", "ended_by")
    row = lookups.by_id(rows, pk=injection_id)
    if not permissions.may_read_record(request.auth, assistant=row.assistant):
        raise errors.NotFound(f"There is no injection {injection_id}.")
    return row


def _served(one: Served) -> ServedShape:
    return {
        "injection": one.injection.pk,
        "slot": one.injection.slot,
        "prompt": shapes.prompt(one.prompt),
        "digest": f"sha256:{one.prompt.digest}",
        "text": one.text,
        "open_variables": list(one.open_variables),
        "injected_at": one.injection.injected_at,
    }


def _shape(row: Injection) -> InjectionShape:
    return {
        "id": row.pk,
        "assistant": shapes.assistant(row.assistant),
        "slot": row.slot,
        "prompt": shapes.prompt(row.prompt),
        "variables": sorted(row.variables),
        "injected_by": row.injected_by.name,
        "injected_at": row.injected_at,
        "overridden": row.overridden,
        "override_reason": row.override_reason,
        "ended_at": row.ended_at,
        "ended_by": row.ended_by.name if row.ended_by is not None else None,
        "end_reason": row.end_reason,
    }
