"""`/prompts/{id}/codices` and `/assistants/{id}/codices`: which rule sets bind a prompt, and an assistant;
and what a rule set binds."""

from typing import Literal, TypedDict

from mintmark.registry import codices, contracts
from mintmark.registry.models import Assistant, Codex, Prompt

from . import get_or_404, pagination, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody

routes = Routes(tag="codex_bindings")


class CodexBindingOut(TypedDict):
    """A codex that binds: everybody (`default`), or by a contract."""

    id: int
    name: str
    version: int
    by: Literal["default", "contract"]


class CodexBindingsOut(TypedDict):
    items: list[CodexBindingOut]


class BoundPromptPage(TypedDict):
    items: list[schemas.PromptRef]
    next_cursor: str | None


class BoundAssistantPage(TypedDict):
    items: list[schemas.AssistantRef]
    next_cursor: str | None


class NewCodexBinding(RequestBody):
    """The codex that binds from now on, by `name@version`, `name` (its newest version) or id."""

    codex: Id | Reference


@routes.get("/prompts/{int:prompt_id}/codices", scope="read", response_schema=CodexBindingsOut)
def list_prompt_codices(request: AuthenticatedRequest, prompt_id: Id) -> CodexBindingsOut:
    """List the codices that bind a prompt."""
    return _serialize_bindings(contracts.get_prompt_bindings(prompt=_get_prompt(prompt_id)))


@routes.idempotent_post(
    "/prompts/{int:prompt_id}/codices",
    scope="registry",
    body=NewCodexBinding,
    response_schema=CodexBindingsOut,
)
def bind_prompt_codex(
    request: AuthenticatedRequest, prompt_id: Id, body: NewCodexBinding
) -> CodexBindingsOut:
    """Bind a prompt to a version of a codex: a prompt that breaks a blocking clause is no longer injected.

    It takes the role author in the prompt's team.
    """
    prompt = _get_prompt(prompt_id)
    contracts.bind(
        caller=request.auth, prompt=prompt, codex=codices.resolve(reference=str(body.codex))
    )
    return _serialize_bindings(contracts.get_prompt_bindings(prompt=prompt))


@routes.delete("/prompts/{int:prompt_id}/codices/{int:codex_id}", scope="registry")
def unbind_prompt_codex(request: AuthenticatedRequest, prompt_id: Id, codex_id: Id) -> None:
    """End a prompt's contract with a codex. What was measured under it stays measured."""
    contracts.unbind(caller=request.auth, prompt=_get_prompt(prompt_id), codex=_get_codex(codex_id))


@routes.get(
    "/assistants/{int:assistant_id}/codices", scope="read", response_schema=CodexBindingsOut
)
def list_assistant_codices(request: AuthenticatedRequest, assistant_id: Id) -> CodexBindingsOut:
    """List the codices that bind an assistant: whatever it is given, and what it answers."""
    return _serialize_bindings(
        contracts.get_assistant_bindings(assistant=_get_assistant(assistant_id))
    )


@routes.idempotent_post(
    "/assistants/{int:assistant_id}/codices",
    scope="registry",
    body=NewCodexBinding,
    response_schema=CodexBindingsOut,
)
def bind_assistant_codex(
    request: AuthenticatedRequest, assistant_id: Id, body: NewCodexBinding
) -> CodexBindingsOut:
    """Bind an assistant to a version of a codex. It takes the role operator in its team."""
    assistant = _get_assistant(assistant_id)
    contracts.bind_assistant(
        caller=request.auth,
        assistant=assistant,
        codex=codices.resolve(reference=str(body.codex)),
    )
    return _serialize_bindings(contracts.get_assistant_bindings(assistant=assistant))


@routes.delete("/assistants/{int:assistant_id}/codices/{int:codex_id}", scope="registry")
def unbind_assistant_codex(request: AuthenticatedRequest, assistant_id: Id, codex_id: Id) -> None:
    """End an assistant's contract with a codex."""
    contracts.unbind_assistant(
        caller=request.auth, assistant=_get_assistant(assistant_id), codex=_get_codex(codex_id)
    )


@routes.get(
    "/codices/{int:codex_id}/prompts",
    scope="read",
    response_schema=BoundPromptPage,
    error_statuses=(400,),
)
def list_codex_prompts(
    request: AuthenticatedRequest, codex_id: Id, limit: pagination.Limit, cursor: pagination.Cursor
) -> BoundPromptPage:
    """List the prompts with a contract with this version of a codex, newest first. `default` binds all without one."""
    rows = contracts.list_bound_prompts(codex=_get_codex(codex_id))
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {
        "items": [schemas.serialize_prompt_ref(row) for row in page],
        "next_cursor": next_cursor,
    }


@routes.get(
    "/codices/{int:codex_id}/assistants",
    scope="read",
    response_schema=BoundAssistantPage,
    error_statuses=(400,),
)
def list_codex_assistants(
    request: AuthenticatedRequest, codex_id: Id, limit: pagination.Limit, cursor: pagination.Cursor
) -> BoundAssistantPage:
    """List the assistants with a contract with this version of a codex, newest first."""
    rows = contracts.list_bound_assistants(codex=_get_codex(codex_id))
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {
        "items": [schemas.serialize_assistant_ref(row) for row in page],
        "next_cursor": next_cursor,
    }


def _get_prompt(prompt_id: int) -> Prompt:
    return get_or_404.get_by_id(Prompt.objects.select_related("team"), pk=prompt_id)


def _get_assistant(assistant_id: int) -> Assistant:
    return get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id)


def _get_codex(codex_id: int) -> Codex:
    return get_or_404.get_by_id(Codex.objects.all(), pk=codex_id)


def _serialize_bindings(bindings: contracts.CodexBindings) -> CodexBindingsOut:
    rows: list[tuple[Codex, Literal["default", "contract"]]] = [(bindings.default, "default")]
    rows += [(codex, "contract") for codex in bindings.contracts if codex != bindings.default]
    return {
        "items": [
            {"id": codex.pk, "name": codex.name, "version": codex.version, "by": by}
            for codex, by in rows
        ]
    }
