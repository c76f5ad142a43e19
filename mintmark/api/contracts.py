"""`/prompts/{id}/codices` and `/assistants/{id}/codices`: which rule sets bind a prompt, and an assistant;
and what a rule set binds."""

from typing import Literal, TypedDict

from mintmark.registry import codices, contracts
from mintmark.registry.models import Assistant, Codex, Prompt

from . import lookups, paging, shapes
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes

routes = Routes(tag="contracts")


class BoundShape(TypedDict):
    """A codex that binds: everybody (`default`), or by a contract."""

    id: int
    name: str
    version: int
    by: Literal["default", "contract"]


class Bound(TypedDict):
    items: list[BoundShape]


class PromptsBound(TypedDict):
    items: list[shapes.PromptNamed]
    next_cursor: str | None


class AssistantsBound(TypedDict):
    items: list[shapes.Named]
    next_cursor: str | None


class Contract(Body):
    """The codex that binds from now on, by `name@version`, `name` (its newest version) or id."""

    codex: Id | Reference


@routes.get("/prompts/{int:prompt_id}/codices", scope="read", answer=Bound)
def of_prompt(request: Request, prompt_id: Id) -> Bound:
    """List the codices that bind a prompt."""
    return _bound(contracts.of_prompt(prompt=_prompt(prompt_id)))


@routes.act("/prompts/{int:prompt_id}/codices", scope="registry", body=Contract, answer=Bound)
def bound(request: Request, prompt_id: Id, body: Contract) -> Bound:
    """Bind a prompt to a version of a codex: what breaks a blocking clause is injected no more.

    It takes the role author in the prompt's team.
    """
    prompt = _prompt(prompt_id)
    contracts.bind(
        caller=request.auth, prompt=prompt, codex=codices.named(reference=str(body.codex))
    )
    return _bound(contracts.of_prompt(prompt=prompt))


@routes.delete("/prompts/{int:prompt_id}/codices/{int:codex_id}", scope="registry")
def released(request: Request, prompt_id: Id, codex_id: Id) -> None:
    """End a prompt's contract with a codex. What was measured under it stays measured."""
    contracts.release(caller=request.auth, prompt=_prompt(prompt_id), codex=_codex(codex_id))


@routes.get("/assistants/{int:assistant_id}/codices", scope="read", answer=Bound)
def of_assistant(request: Request, assistant_id: Id) -> Bound:
    """List the codices that bind an assistant: whatever it is given, and what it answers."""
    return _bound(contracts.of_assistant(assistant=_assistant(assistant_id)))


@routes.act("/assistants/{int:assistant_id}/codices", scope="registry", body=Contract, answer=Bound)
def assistant_bound(request: Request, assistant_id: Id, body: Contract) -> Bound:
    """Bind an assistant to a version of a codex. It takes the role operator in its team."""
    assistant = _assistant(assistant_id)
    contracts.bind_assistant(
        caller=request.auth,
        assistant=assistant,
        codex=codices.named(reference=str(body.codex)),
    )
    return _bound(contracts.of_assistant(assistant=assistant))


@routes.delete("/assistants/{int:assistant_id}/codices/{int:codex_id}", scope="registry")
def assistant_released(request: Request, assistant_id: Id, codex_id: Id) -> None:
    """End an assistant's contract with a codex."""
    contracts.release_assistant(
        caller=request.auth, assistant=_assistant(assistant_id), codex=_codex(codex_id)
    )


@routes.get("/codices/{int:codex_id}/prompts", scope="read", answer=PromptsBound, refuses=(400,))
def prompts_bound(
    request: Request, codex_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> PromptsBound:
    """List the prompts with a contract with this version of a codex, newest first. `default` binds all without one."""
    rows = contracts.prompts_of(codex=_codex(codex_id))
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [shapes.prompt(row) for row in page], "next_cursor": following}


@routes.get(
    "/codices/{int:codex_id}/assistants", scope="read", answer=AssistantsBound, refuses=(400,)
)
def assistants_bound(
    request: Request, codex_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> AssistantsBound:
    """List the assistants with a contract with this version of a codex, newest first."""
    rows = contracts.assistants_of(codex=_codex(codex_id))
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [shapes.assistant(row) for row in page], "next_cursor": following}


def _prompt(prompt_id: int) -> Prompt:
    return lookups.by_id(Prompt.objects.select_related("team"), pk=prompt_id)


def _assistant(assistant_id: int) -> Assistant:
    return lookups.by_id(Assistant.objects.all(), pk=assistant_id)


def _codex(codex_id: int) -> Codex:
    return lookups.by_id(Codex.objects.all(), pk=codex_id)


def _bound(found: contracts.Bound) -> Bound:
    rows: list[tuple[Codex, Literal["default", "contract"]]] = [(found.default, "default")]
    rows += [(codex, "contract") for codex in found.contracts if codex != found.default]
    return {
        "items": [
            {"id": codex.pk, "name": codex.name, "version": codex.version, "by": by}
            for codex, by in rows
        ]
    }
