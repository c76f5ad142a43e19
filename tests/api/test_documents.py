"""The documents of this door: the checked-in schema, the table of errors, the examples, the reference page."""

import importlib
import json
import pkgutil
import re
import shlex
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.test import Client
from pydantic import BaseModel

import mintmark
from mintmark import api
from mintmark.api import (
    app,
    endpoints,
    openapi,
    openapi_operation,
    problems,
    reference_pages,
    responses,
)
from mintmark.common import errors
from mintmark.registry import prompts
from tests.bundles import payloads
from tests.factories import api_world as worlds
from tests.factories.api_world import PREFIX, World

ROOT = Path(__file__).resolve().parents[2]
ERRORS = (ROOT / "docs/errors.md").read_text()
GUIDE = (ROOT / "docs/api.md").read_text()


def _refusals() -> set[type[errors.DomainError]]:
    """Every refusal of the package, from every module there is."""
    for module in pkgutil.walk_packages(mintmark.__path__, "mintmark."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, pending = set(), [errors.DomainError]
    while pending:
        here = pending.pop()
        found.add(here)
        pending += here.__subclasses__()
    return {refusal for refusal in found if refusal.__module__.startswith("mintmark.")}


def test_the_schema_that_is_checked_in_is_that_of_the_code() -> None:
    assert openapi.SCHEMA_FILE.read_text() == openapi.render_schema(), (
        "run `python -m mintmark.api.openapi`"
    )


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    schema = json.loads(openapi.render_schema())
    references = set(
        re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', openapi.render_schema())
    )
    assert references <= schema["components"]["schemas"].keys()
    assert "Problem" in references


def test_no_two_shapes_share_a_name() -> None:
    # One would take the place of the other in the schema, whose answers would then not be what it says.
    shapes: dict[str, set[str]] = {}
    for module in pkgutil.iter_modules(api.__path__, "mintmark.api."):
        for value in vars(importlib.import_module(module.name)).values():
            if typing.is_typeddict(value) or (
                isinstance(value, type) and issubclass(value, BaseModel)
            ):
                shapes.setdefault(value.__name__, set()).add(value.__module__)
    assert {name: places for name, places in shapes.items() if len(places) > 1} == {}
    assert "RatingOut" in shapes


def test_a_signed_file_is_declared_as_what_it_is() -> None:
    operation = app.api.get_openapi_schema()["paths"][f"{PREFIX}/vault/revocation-list"]["get"]
    content = operation["responses"][200]["content"]
    assert content == {
        responses.ENVELOPE: {
            "schema": {"$ref": openapi_operation.SCHEMA_REF.format(model="EnvelopeOut")}
        }
    }


def test_the_pages_of_the_reference_are_those_of_the_schema() -> None:
    pages = reference_pages.render_pages(json.loads(openapi.render_schema()))
    written = {path.name: path.read_text() for path in reference_pages.FOLDER.iterdir()}
    assert written == pages, "run `python -m mintmark.api.openapi`"


def test_the_reference_has_every_operation_with_its_scope_and_its_members() -> None:
    pages = reference_pages.render_pages(json.loads(openapi.render_schema()))
    for endpoint in endpoints.ENDPOINTS:
        path = re.sub(r"\{\w+:(\w+)\}", r"{\1}", endpoint.path)
        page = pages[endpoint.tag + ".md"]
        _, _, section = page.partition(f"## {endpoint.method} {path}\n")
        section = section.partition("\n## ")[0]
        assert (f"the scope `{endpoint.scope}`" if endpoint.scope else "**Open**") in section
        for name in getattr(endpoint.response_schema, "__annotations__", {}):
            assert f"| `{name}` |" in section, (endpoint.operation_id, name)


def test_every_operation_declares_the_problems_it_may_answer() -> None:
    for path, methods in app.api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            declared = {str(status) for status in operation["responses"]}
            wanted = {"401", "403", "415", "422", "429", "500"}
            if method != "get" and "requestBody" in operation:
                wanted |= {"400", "413"}
            if method == "get":
                wanted |= {"412"}
            if "{" in path:
                wanted |= {"404"}
            if any(p["name"] == "cursor" for p in operation["parameters"]):
                wanted |= {"400"}
            assert wanted <= declared, (method, path)
            for status in declared:
                if int(status) >= 400:
                    content = operation["responses"][status]["content"]
                    assert list(content) == [problems.MEDIA_TYPE]


def test_a_refusal_for_asking_too_often_says_when_to_ask_again() -> None:
    for methods in app.api.get_openapi_schema()["paths"].values():
        for operation in methods.values():
            assert "Retry-After" in operation["responses"]["429"]["headers"]


def test_what_is_made_without_an_address_of_its_own_does_not_promise_one() -> None:
    unlocated = {
        operation["operationId"]
        for methods in app.api.get_openapi_schema()["paths"].values()
        for operation in methods.values()
        if 201 in operation["responses"]
        and "Location" not in operation["responses"][201].get("headers", {})
    }
    assert unlocated == {
        "give_tokens",
        "mint_tokens",
        "record_foreign_payment",
        "apply_revocation_list",
        "request_audit",
        "allow_copy",
    }


def test_a_write_that_needs_a_key_says_so() -> None:
    needed = {
        operation["operationId"]
        for methods in app.api.get_openapi_schema()["paths"].values()
        for operation in methods.values()
        for parameter in operation["parameters"]
        if parameter["name"] == "Idempotency-Key" and parameter["required"]
    }
    assert needed == {
        endpoint.operation_id for endpoint in endpoints.ENDPOINTS if endpoint.requires_key
    }
    assert "create_purchase" in needed


def _codes(refusals: Iterable[type[errors.DomainError]]) -> set[str]:
    """The codes of these, all of them where one has many."""
    return {
        code
        for refusal in refusals
        if refusal is not errors.CodedError
        for code in (refusal.codes if issubclass(refusal, errors.CodedError) else (refusal.code,))
    }


def _passes_this_door(refusal: type[errors.DomainError]) -> bool:
    """Whether a refusal comes from this floor or one below: those of other doors never get here."""
    return refusal.__module__.split(".")[1] in (
        "accounts", "api", "claim_audits", "common", "deployments", "evidence", "experiments", "market", "otlp",
        "projection", "ratelimit", "registry", "reputation", "rituals", "scoring", "signing", "storage", "textchecks",
        "tokens", "trust", "vault", "webhooks",
    )  # fmt: skip


def test_every_refusal_that_passes_this_door_has_a_status() -> None:
    codes = _codes(refusal for refusal in _refusals() if _passes_this_door(refusal))
    assert codes == problems.CATALOGUE.keys()


def test_every_refusal_has_a_line_in_the_docs() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", ERRORS, flags=re.MULTILINE))
    members = {"type", "code", "detail", "rows", "places", "bundle_import"}
    assert told - members == _codes(_refusals())


def test_the_docs_say_the_status_of_every_code() -> None:
    documented = {
        code: int(status)
        for code, status in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", ERRORS, flags=re.MULTILINE)
    }
    assert documented == {code: entry.status for code, entry in problems.CATALOGUE.items()}


def test_no_two_refusals_share_a_code() -> None:
    refusals = {
        refusal
        for refusal in _refusals()
        if _passes_this_door(refusal) and not issubclass(refusal, errors.CodedError)
    }
    assert len({refusal.code for refusal in refusals}) == len(refusals)


def test_every_endpoint_is_in_the_guide() -> None:
    missing = [
        f"{method.upper()} {path}"
        for path, methods in app.api.get_openapi_schema()["paths"].items()
        for method in methods
        if f"`{method.upper()} {path.removeprefix(PREFIX)}`" not in GUIDE
    ]
    assert not missing


# The signature is over other bytes.
CHANGED = payloads.enveloped(b"{}", signed=b"[]")
# A command as one would type it, and the answer below it, in which "…" stands for anything.
EXAMPLES = re.findall(r"```sh\n(curl .*?)\n```\n\n```json\n(.*?)\n```", GUIDE, flags=re.DOTALL)


def _matches(expected: Any, found: Any) -> bool:
    if expected == "…":
        return True
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and expected.keys() == found.keys()
            and all(_matches(value, found[name]) for name, value in expected.items())
        )
    if isinstance(expected, list):
        if expected and expected[-1] == "…":
            expected, found = expected[:-1], found[: len(expected) - 1]
        return len(expected) == len(found) and all(map(_matches, expected, found))
    return bool(expected == found)


def test_every_example_of_the_guide_answers_as_it_says(folded_world: World) -> None:
    world = folded_world
    prompts.register(  # what the guide's reader registered before
        draft=prompts.PromptDraft(namespace="mint", name="summary", text="Sum up {text} now."),
        author=world.people["author"],
        team=world.mint,
    )
    variables = {
        "MINTMARK": "",
        "KEY": world.as_("admin").headers["Authorization"].removeprefix("Bearer "),
        "BUYER": world.as_("stranger").headers["Authorization"].removeprefix("Bearer "),
        "OUTSIDER": str(world.outsider.pk),
        "LISTING": str(world.listing.pk),
        "PROMPT": str(world.prompt.pk),
        "SCOUT": str(world.scout.pk),
        "RITUAL": str(world.ritual.pk),
        "EVENT": str(world.event),
        "IMPORT": str(world.waiting.pk),
    }
    files = {"@triage.json": worlds.from_elsewhere(), "@changed.json": CHANGED}
    assert len(EXAMPLES) == GUIDE.count("curl ")
    client = Client()
    for command, answer in EXAMPLES:
        typed = re.sub(r"\$(\w+)", lambda name: variables[name[1]], command)
        method, body, headers, url = "GET", b"", {}, ""
        words = iter(shlex.split(typed.replace("\\\n", " "))[1:])
        for word in words:
            if word == "-X":
                method = next(words)
            elif word == "-d":
                body, method = next(words).encode(), "POST" if method == "GET" else method
            elif word == "--data-binary":
                body, method = files[next(words)], "POST"
            elif word == "-H":
                name, _, text = next(words).partition(": ")
                headers[name] = text
            else:
                url = word
        kind = headers.pop("Content-Type", "")
        response = client.generic(method, url, body, content_type=kind, headers=headers)
        found = json.loads(response.content) if response.content else None
        assert _matches(json.loads(answer), found), f"{command}\n{json.dumps(found, indent=1)}"


def test_an_example_that_differs_is_noticed() -> None:
    assert not _matches({"a": 1}, {"a": 2})
    assert not _matches({"a": "…"}, {"a": 1, "b": 2})
    assert not _matches([1], [1, 2])
    assert _matches([1, "…"], [1, 2, 3])
