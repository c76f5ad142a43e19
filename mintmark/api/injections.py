"""`/injections`: what is at work in an assistant, what was, and the gates that a prompt has to pass."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.common import errors
from mintmark.deployments import gates as market_gates
from mintmark.deployments import injections
from mintmark.deployments.injections import ActivePrompt
from mintmark.deployments.models import Injection
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Assistant, Prompt

from . import clause_schemas, get_or_404, pagination, permissions, read_time, schemas
from .authentication import AuthenticatedRequest
from .clause_schemas import ClauseResultOut
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody
from .responses import WriteResult
from .schemas import AsOf, Policy

routes = Routes(tag="injections")


class ActivePromptOut(TypedDict):
    """A prompt at work: `text` with the injection's variables filled in; `open_variables` are left to the assistant."""

    injection: int
    slot: str
    prompt: schemas.PromptRef
    digest: str
    text: str
    open_variables: list[str]
    injected_at: datetime


class AssistantContextOut(TypedDict):
    """All that is at work in an assistant now, by slot."""

    items: list[ActivePromptOut]


class InjectionOut(TypedDict):
    """A prompt put to work, until `ended_at` (null: it is in its slot). `variables` names those that were filled in;
    `overridden` the gates that were passed by for `override_reason`."""

    id: int
    assistant: schemas.AssistantRef
    slot: str
    prompt: schemas.PromptRef
    variables: list[str]
    injected_by: str
    injected_at: datetime
    overridden: list[str]
    override_reason: str
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str


class InjectionPage(TypedDict):
    items: list[InjectionOut]
    next_cursor: str | None


class GateOut(TypedDict):
    """A gate between a prompt and an assistant: whether it is `open`, in words why, and whether an operator may
    override it with a reason. `verdicts` of the gate `contract` are what every clause says of the text."""

    name: str
    open: bool
    message: str
    may_override: bool
    verdicts: list[ClauseResultOut]


class GatesOut(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[GateOut]


class NewInjection(RequestBody):
    """A prompt to put to work in a slot, in the place of what stands there. `override_reason` passes by the contract
    and the trust floor."""

    prompt: Id | Reference
    slot: str = injections.DEFAULT_SLOT
    variables: Annotated[dict[str, str], Field(max_length=200)] = {}
    override_reason: str = ""


@routes.get(
    "/assistants/{int:assistant_id}/context", scope="read", response_schema=AssistantContextOut
)
def get_assistant_context(request: AuthenticatedRequest, assistant_id: Id) -> AssistantContextOut:
    """Show what is at work in an assistant now, with its text: to itself and its team.

    What was withdrawn, revoked or taken from the market for good is not in it.
    """
    active_prompts = SymbolicPromptTokenMarketplace().list_active_prompts(
        caller=request.auth, assistant=_get_assistant(assistant_id)
    )
    return {"items": [_serialize_active_prompt(active_prompt) for active_prompt in active_prompts]}


@routes.get(
    "/assistants/{int:assistant_id}/injections",
    scope="read",
    response_schema=InjectionPage,
    error_statuses=(400,),
)
def list_injections(
    request: AuthenticatedRequest,
    assistant_id: Id,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
) -> InjectionPage:
    """List what was ever put to work in an assistant, newest first: to itself, its team and auditors."""
    assistant = _get_assistant(assistant_id)
    permissions.require_record_reader(request.auth, assistant=assistant)
    rows = injections.list_injections(assistant=assistant).select_related("assistant")
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.get("/injections/{int:injection_id}", scope="read", response_schema=InjectionOut)
def get_injection(request: AuthenticatedRequest, injection_id: Id) -> InjectionOut:
    """Show an injection, at work or ended."""
    return _serialize(_get_injection(request, injection_id))


@routes.post(
    "/assistants/{int:assistant_id}/injections",
    scope="market",
    body=NewInjection,
    response_schema=InjectionOut,
)
def inject_prompt(
    request: AuthenticatedRequest, assistant_id: Id, body: NewInjection
) -> WriteResult[InjectionOut]:
    """Put a prompt to work in a slot of an assistant, in the place of what stands there.

    It takes the role operator in its team, or the assistant itself. A closed gate refuses it; an operator may override
    the contract and the trust floor. The same injection again changes nothing.
    """
    row = SymbolicPromptTokenMarketplace().inject(
        caller=request.auth,
        prompt=prompts.resolve(reference=str(body.prompt)),
        assistant=_get_assistant(assistant_id),
        slot=body.slot,
        variables=body.variables,
        override_reason=body.override_reason,
        now=timezone.now(),
    )
    return WriteResult(body=_serialize(row), location=f"/api/v1/injections/{row.pk}")


@routes.delete("/injections/{int:injection_id}", scope="market")
def withdraw_injection(request: AuthenticatedRequest, injection_id: Id, reason: str = "") -> None:
    """Take a prompt out of an assistant's context, for a reason that is kept; its next request finds it gone.

    It takes the role operator in the assistant's team, or the assistant itself.
    """
    SymbolicPromptTokenMarketplace().withdraw_injection(
        caller=request.auth,
        injection=_get_injection(request, injection_id),
        reason=reason,
        now=timezone.now(),
    )


@routes.get("/prompts/{int:prompt_id}/gates", scope="read", response_schema=GatesOut)
def list_gates(
    request: AuthenticatedRequest,
    prompt_id: Id,
    assistant: Annotated[str, Query(min_length=1, max_length=300, description="its id or name")],
) -> GatesOut:
    """Show which gates are open between a prompt and an assistant: to the assistant itself and its team.

    What the contract's clauses find in the text is told once the team may use it.
    """
    assistant_row = assistants.resolve(reference=assistant)
    injections.require_may_read(caller=request.auth, assistant=assistant_row)
    gate_states = market_gates.list_gates(
        prompt=get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id),
        assistant=assistant_row,
        now=read_time.get_read_time(),
    )
    return {
        **schemas.get_score_version(),
        "items": [
            {
                "name": gate.name,
                "open": gate.is_open,
                "message": gate.message,
                "may_override": gate.may_override,
                "verdicts": clause_schemas.serialize_clause_results(gate.verdicts),
            }
            for gate in gate_states
        ],
    }


def _get_assistant(assistant_id: int) -> Assistant:
    return get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id)


def _get_injection(request: AuthenticatedRequest, injection_id: int) -> Injection:
    """An injection that the caller may know of; any other looks like none."""
    rows = Injection.objects.select_related("assistant", "prompt", "injected_by", "ended_by")
    row = get_or_404.get_by_id(rows, pk=injection_id)
    if not permissions.may_read_record(request.auth, assistant=row.assistant):
        raise errors.NotFound(f"There is no injection {injection_id}.")
    return row


def _serialize_active_prompt(active_prompt: ActivePrompt) -> ActivePromptOut:
    return {
        "injection": active_prompt.injection.pk,
        "slot": active_prompt.injection.slot,
        "prompt": schemas.serialize_prompt_ref(active_prompt.prompt),
        "digest": f"sha256:{active_prompt.prompt.digest}",
        "text": active_prompt.text,
        "open_variables": list(active_prompt.open_variables),
        "injected_at": active_prompt.injection.injected_at,
    }


def _serialize(row: Injection) -> InjectionOut:
    return {
        "id": row.pk,
        "assistant": schemas.serialize_assistant_ref(row.assistant),
        "slot": row.slot,
        "prompt": schemas.serialize_prompt_ref(row.prompt),
        "variables": sorted(row.variables),
        "injected_by": row.injected_by.name,
        "injected_at": row.injected_at,
        "overridden": row.overridden,
        "override_reason": row.override_reason,
        "ended_at": row.ended_at,
        "ended_by": row.ended_by.name if row.ended_by is not None else None,
        "end_reason": row.end_reason,
    }
