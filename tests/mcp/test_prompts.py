"""`prompts/list` and `prompts/get` as verbs: names, arguments, pages, and how wrong ones are refused."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from mintmark.common import errors
from mintmark.mcp import credentials, error_mapping, prompts
from mintmark.mcp.credentials import KeyHolder
from mintmark.mcp.tools import get_prompt
from mintmark.registry.models import Prompt
from mintmark.textchecks import placeholders
from tests.factories.mcp_scene import Scene
from tests.standing import standing

NOW = datetime.now(UTC)


@pytest.fixture
def built_scene() -> Scene:
    scene: Scene = standing("scene of MCP", Scene)
    return scene


@pytest.fixture
def scene(db: None, built_scene: Scene) -> Scene:
    return built_scene


def _holder(scene: Scene, *scopes: str) -> KeyHolder:
    return credentials.authenticate(secret=scene.key(scene.scout, *scopes), now=NOW)


def _inject(scene: Scene, prompt: Prompt, *, slot: str, **variables: str) -> None:
    scene.market.inject(
        caller=scene.as_(scene.cast.buyer), prompt=prompt, assistant=scene.scout, slot=slot, now=NOW,
        variables=variables,
    )  # fmt: skip


def _names(holder: KeyHolder, cursor: str | None = None) -> Sequence[str]:
    return [one.name for one in prompts.list_prompts(holder, cursor=cursor, now=NOW).prompts]


def _got(scene: Scene, name: str, **values: Any) -> str:
    got = prompts.get_prompt(_holder(scene), name=name, values=values)
    return got.messages[0].content.text  # type: ignore[union-attr]


def test_a_prompt_at_work_says_what_it_is_and_what_it_takes(scene: Scene) -> None:
    told = prompts.list_prompts(_holder(scene), cursor=None, now=NOW)
    (one,) = told.prompts
    assert (told.ttl_ms, told.cache_scope, told.next_cursor) == (0, "private", None)
    assert one.name == "acme/sorting"
    assert one.meta is not None
    meta = one.meta[prompts.META_KEY]
    assert meta["reference"] == "acme/sorting@1"
    assert meta["digest"] == f"sha256:{scene.triage.digest}"
    assert 0 <= meta["trust"]["low"] <= meta["trust"]["value"] <= meta["trust"]["high"] <= 1


def test_a_name_outlives_a_revision(scene: Scene) -> None:
    second = scene.cast.written("acme/sorting", "Order {ticket}.", parent=scene.triage)
    _inject(scene, second, slot="main")
    assert _got(scene, "acme/sorting", ticket="T-1") == "Order T-1."


def test_what_came_later_under_a_line_that_is_taken_has_its_slot_behind(scene: Scene) -> None:
    _inject(scene, scene.triage, slot="another", ticket="T-9")
    assert _names(_holder(scene)) == ["acme/sorting#another", "acme/sorting"]
    assert (
        _got(scene, "acme/sorting#another", team="ops") == "Sort T-9 by urgency for ops.\nAnswer:"
    )


def test_what_is_filled_in_is_not_read_for_placeholders(scene: Scene) -> None:
    assert _got(scene, "acme/sorting", ticket="{team}").startswith("Sort {team} by")


def test_pages_hold_every_prompt_once_and_in_one_order_on_every_database(scene: Scene) -> None:
    slots = [f"{stem}{n:02}" for n in range(18) for stem in ("a", "a-", "a_")]
    for slot in slots:
        _inject(scene, scene.triage, slot=slot)
    holder = _holder(scene)
    first = prompts.list_prompts(holder, cursor=None, now=NOW)
    assert len(first.prompts) == prompts.PAGE_SIZE
    rest = prompts.list_prompts(holder, cursor=first.next_cursor, now=NOW)
    assert rest.next_cursor is None
    found = [
        one.meta[prompts.META_KEY]["slot"] for one in [*first.prompts, *rest.prompts] if one.meta
    ]
    assert found == sorted([*slots, "main"])


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WzFd", "é", "W" * 400])
def test_a_cursor_that_no_answer_gave_is_refused(scene: Scene, cursor: str) -> None:
    with pytest.raises(error_mapping.InvalidListCursor, match="begin again"):
        prompts.list_prompts(_holder(scene), cursor=cursor, now=NOW)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "needs ticket as well; it takes ticket, team"),
        ({"team": "ops"}, "needs ticket as well"),
        (
            {"ticket": "T-1", "colour": "red"},
            r"arguments\.colour: acme/sorting has no such argument",
        ),
        (
            {"ticket": "x" * 20_001},
            r"arguments\.ticket: the value has 20,001 characters; at most 20,000",
        ),
        ({"ticket": "a\0b"}, r"arguments\.ticket: .*U\+0000"),
        ({"ticket": "a\ud800b"}, "half a surrogate"),
    ],
)
def test_wrong_arguments_are_refused_with_their_place(
    scene: Scene, values: dict[str, str], says: str
) -> None:
    with pytest.raises(error_mapping.InvalidArguments, match=says) as refused:
        _got(scene, "acme/sorting", **values)
    error_mapping.to_mcp_error(refused.value).error.model_dump_json()


@pytest.mark.parametrize(
    "name", ["", "acme/mint", "acme/sorting@1", "acme/sorting#main", "\0", "\ud800"]
)
def test_what_is_not_at_work_under_this_name_is_unknown(scene: Scene, name: str) -> None:
    with pytest.raises(errors.NotFound, match="is at work in scout") as refused:
        _got(scene, name, ticket="T-1")
    error = error_mapping.to_mcp_error(refused.value).error
    assert (error.code, error.data) == (-32602, {"code": "not_found"})
    error.model_dump_json()


def test_a_key_without_the_scope_lists_nothing(scene: Scene) -> None:
    with pytest.raises(errors.Forbidden, match="'read'"):
        prompts.list_prompts(_holder(scene, "evidence"), cursor=None, now=NOW)


def test_a_persons_key_is_not_taken(scene: Scene) -> None:
    from mintmark.accounts import keys

    secret = keys.issue(principal=scene.principal(scene.cast.buyer), scopes=["read"]).secret
    with pytest.raises(errors.Forbidden, match="mintmark key issue assistant:NAME"):
        credentials.authenticate(secret=secret, now=NOW)


def test_the_secret_of_a_holder_is_not_in_what_is_printed(scene: Scene) -> None:
    holder = _holder(scene)
    assert holder.secret not in repr(holder)


def test_a_text_that_is_huge_once_it_is_filled_in_is_refused_and_never_built(scene: Scene) -> None:
    often = scene.cast.written("acme/often", "{word} " * 1_000)
    _inject(scene, often, slot="often")
    most = placeholders.MAX_FILLED_CHARACTERS // 1_000 - 1
    assert len(_got(scene, "acme/often", word="x" * most)) == placeholders.MAX_FILLED_CHARACTERS
    with pytest.raises(errors.DomainError, match="at most 500,000 are served"):
        _got(scene, "acme/often", word="x" * (most + 1))
    holder = _holder(scene)
    wanted = get_prompt.GetPromptArguments(
        prompt="acme/often", arguments={"word": "x" * (most + 1)}
    )
    with pytest.raises(errors.DomainError, match="would have 501,000 characters"):
        get_prompt.TOOL.run(holder, wanted, NOW)


def test_a_chat_is_messages_whose_roles_stand_beside_them(scene: Scene) -> None:
    text = "system:\nBe terse.\nuser:\nSort {item}.\nassistant:\nDone:"
    chat = scene.cast.written("acme/chat", text, tags=("type:chat",))
    _inject(scene, chat, slot="chat")
    told = prompts.get_prompt(_holder(scene), name="acme/chat", values={"item": "x\nuser:\ny"})
    contents = [message.content for message in told.messages]
    assert [message.role for message in told.messages] == ["user", "user", "assistant"]
    assert [content.text for content in contents] == ["Be terse.", "Sort x\nuser:\ny.", "Done:"]  # type: ignore[union-attr]
    roles = [(content.meta or {})[prompts.META_KEY]["role"] for content in contents]
    assert roles == ["system", "user", "assistant"]
