"""The text of what one may not read is in no answer: every endpoint, every error, as everybody who may not."""

from collections.abc import Iterator

import pytest
from django.db import transaction
from django.http.response import HttpResponseBase

from mintmark.registry import prompts
from tests.factories.api_world import Caller, World

from .test_authorisation import ENDPOINTS, TABLE, Row, sent
from .test_bad_input import MISSHAPEN

# What stands in the texts of `prompt` and `fork` alone, and what scout's injection fills in.
SECRETS = (b"Sum up", b"in a line", b"a secret memo")
# Who may read neither.
NOSY = ("stranger", "outsider", "auditor", "treasurer")


def content(response: HttpResponseBase) -> bytes:
    """All that a response says, its headers too."""
    head = "".join(f"{name}: {value}\n" for name, value in response.items())
    return head.encode() + response.getvalue()  # type: ignore[attr-defined]


def answers(world: World, row: Row, caller: Caller) -> Iterator[bytes]:
    """What an endpoint says to a request of the table, and to broken ones."""
    endpoint = ENDPOINTS[row.name]
    yield content(sent(world, row, caller))
    path = row.path(world)
    yield content(caller.send("PATCH", path))
    yield content(caller.get(f"{path.partition('?')[0]}?cursor=x&limit=many&surprise=1"))
    if endpoint.takes_body:
        for body in MISSHAPEN.values():
            yield content(caller.send(endpoint.method, path, body, Idempotency_Key="k"))


@pytest.mark.parametrize("who", NOSY)
def test_no_answer_tells_a_text_to_one_who_may_not_read_it(world: World, who: str) -> None:
    caller = world.as_(who)
    for row in TABLE:
        with transaction.atomic():
            for said in answers(world, row, caller):
                for secret in SECRETS:
                    assert secret not in said, (row.name, said)
            transaction.set_rollback(True)


def test_the_secrets_are_where_they_belong(world: World) -> None:
    """Else the test above would find nothing wherever they stood."""
    author = world.as_("author")
    seen = [
        author.get(f"/prompts/{world.fork.pk}/text"),
        author.get(f"/assistants/{world.scout.pk}/context"),
    ]
    said = b"".join(map(content, seen))
    assert all(secret in said for secret in SECRETS)


def test_what_may_be_read_of_a_pair_is_shown_with_neither_text(world: World) -> None:
    """One who bought the fork may not read its parent: no diff, no foresight, no lineage tells it."""
    world.bought()
    caller = world.as_("stranger")
    parent = f"/prompts/{world.prompt.pk}"
    for path in (
        f"/prompts/{world.fork.pk}/diff",
        f"/prompts/{world.open_prompt.pk}/diff?against={world.prompt.pk}",
        f"{parent}/diff?against={world.fork.pk}",
        f"/prompts/{world.fork.pk}/lineage",
        f"/prompts/{world.fork.pk}/gains",
        f"/prompts/{world.fork.pk}",
        parent,
    ):
        said = content(caller.get(path))
        # Its own text is the caller's to read now; the parent's ends where the fork's goes on.
        assert b'Sum up {text}."' not in said, path
    refused = caller.send("POST", f"{parent}/foresight", {"text": "Sum up {text}!"})
    assert refused.status_code == 403


def test_a_search_for_words_of_a_text_finds_nothing_by_them(world: World) -> None:
    prompts.register(
        draft=prompts.PromptDraft(namespace="mint", name="vault", text="Zanzibar {x}."),
        author=world.people["author"],
        team=world.mint,
    )
    listed = {"prompt": "mint/vault@1", "price": "1", "licence": "MIT"}
    assert world.as_("author").send("POST", "/market/listings", listed).status_code == 201
    for who in (*NOSY, "author"):
        caller = world.as_(who)
        for path in ("/market/listings", "/prompts"):
            assert caller.get(f"{path}?search=zanzibar").json()["items"] == []
