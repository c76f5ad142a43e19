"""Prompts are exact texts for ever; what can't be registered is refused with its place, and nothing of it is kept."""

import pytest
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common import errors
from mintmark.projection import lineage_cache
from mintmark.registry import prompts
from mintmark.registry.models import Derivation, Entitlement, Prompt
from mintmark.textchecks import hidden_characters, placeholders
from tests.factories.cast import Cast


@pytest.fixture
def cast(db: None, built_cast: Cast) -> Cast:
    return built_cast


def draft(text: str = "Say {x}.", **changes: object) -> prompts.PromptDraft:
    return prompts.PromptDraft(**({"namespace": "acme", "name": "say", "text": text} | changes))  # type: ignore[arg-type]


def register(cast: Cast, *drafts: prompts.PromptDraft) -> list[Prompt]:
    return prompts.register_all(
        drafts=drafts, author=cast.as_(cast.seller).principal, team=cast.sellers
    )


def test_revisions_count_up_and_a_derivation_says_where_it_comes_from(cast: Cast) -> None:
    (first,) = register(cast, draft())
    (second,) = register(cast, draft("Say {x}, shortly.", parent=first, mutation_note="@brevity+"))
    (fork,) = register(cast, draft("Tell {x}.", name="tell", parent=second))
    assert [p.reference for p in (first, second, fork)] == [
        "acme/say@1",
        "acme/say@2",
        "acme/tell@1",
    ]
    assert [p.derivation for p in (first, second, fork)] == [
        Derivation.ROOT,
        Derivation.REVISION,
        Derivation.FORK,
    ]
    assert [p.pk for p in prompts.list_family(prompt=fork)] == [fork.pk, second.pk, first.pk]
    assert {p.pk for p in prompts.list_family(prompt=first)} == {first.pk, second.pk, fork.pk}


def test_the_same_text_again_returns_what_is_there(cast: Cast) -> None:
    (first,) = register(cast, draft(revision=1))
    (again,) = register(cast, draft(revision=1))
    assert again.pk == first.pk
    with pytest.raises(prompts.RevisionTaken):
        register(cast, draft("Another text", revision=1))


def test_a_line_belongs_to_the_team_that_began_it(cast: Cast) -> None:
    register(cast, draft())
    with pytest.raises(errors.Forbidden):
        prompts.register(
            draft=draft("Mine now"), author=cast.as_(cast.buyer).principal, team=cast.buyers
        )


def test_the_database_refuses_to_change_or_remove_a_prompt(cast: Cast) -> None:
    for change in (
        lambda: Prompt.objects.update(text="another"),
        lambda: Prompt.objects.update(parent=None, digest="0" * 64),
        lambda: Prompt.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    Prompt.objects.update(is_open=False)  # who may read it may change; what it says may not


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"namespace": "Acme!"}, "namespace"),
        ({"namespace": ""}, "namespace"),
        ({"name": " say"}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"revision": 0}, "revision"),
        ({"revision": 2**31}, "revision"),
        ({"text": " \n"}, "text"),
        ({"text": "a" * 1_000_000}, "text"),
        ({"text": "go\u200bod"}, "text"),
        ({"text": "nul\0"}, "text"),
        ({"tags": ("",)}, "tags"),
        ({"tags": ("a\u202eb",)}, "tags"),
    ],
)
def test_what_cannot_be_registered_is_named_and_nothing_is_kept(
    cast: Cast, changes: dict[str, object], field: str
) -> None:
    count = Prompt.objects.count()
    with pytest.raises(prompts.InvalidPrompt) as caught:
        register(cast, draft(), draft(**changes))  # type: ignore[arg-type]
    assert [(row["row"], row["field"]) for row in caught.value.rows] == [(1, field)]
    assert Prompt.objects.count() == count


def test_hidden_unicode_is_refused_with_its_place(cast: Cast) -> None:
    with pytest.raises(
        prompts.InvalidPrompt, match=r"ZERO WIDTH SPACE \(U\+200B\) at line 2, column 3"
    ):
        register(cast, draft("first\nse\u200bcond"))


@pytest.mark.parametrize(
    "text", ["Grüße 👩‍💻", "نمی‌خواهم", "a\tb\r\nc", "\ufeffStart", "files\x1fapart"]
)
def test_ordinary_writing_hides_nothing(text: str) -> None:
    assert hidden_characters.find_hidden(text) == []


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])), st.integers(0, 50))
def test_a_zero_width_space_is_found_wherever_it_stands(text: str, at: int) -> None:
    at = min(at, len(text))
    places = hidden_characters.find_hidden(text[:at] + "\u200b" + text[at:])
    assert [(p.code_point, p.offset) for p in places] == [(0x200B, at)]


def test_variables_are_found_once_in_order() -> None:
    assert placeholders.list_names("{a} {{ b }} ${c:one} {a} {not a name} ${d}") == [
        "a",
        "b",
        "c",
        "d",
    ]


def test_a_text_is_read_by_its_team_and_by_whom_it_was_granted(cast: Cast) -> None:
    secret = cast.written("acme/secret", "The secret text", is_open=False)

    def may(user: object) -> bool:
        return prompts.may_read_text(caller=cast.as_(user), prompt=secret)  # type: ignore[arg-type]

    assert may(cast.seller)
    assert not may(cast.buyer)
    assert not may(cast.stranger)
    assert not may(cast.auditor)
    Entitlement.objects.create(prompt=secret, team=cast.buyers, reason="bought")
    assert may(cast.buyer)
    assert not may(cast.stranger)


def test_references_name_prompts(cast: Cast) -> None:
    (first,) = register(cast, draft())
    (second,) = register(cast, draft("Say {x}, shortly.", parent=first))
    for reference in ("acme/say@2", "acme/say", f"sha256:{second.digest}", str(second.pk)):
        assert prompts.resolve(reference=reference).pk == second.pk
    assert prompts.resolve(reference="acme/say@1").pk == first.pk
    for nothing in (
        "acme/say@9",
        "acme/say@production",
        "sha256:00",
        "acme",
        "",
        "@",
        "acme/say@",
        "9" * 40,
        "²",
    ):
        with pytest.raises(errors.NotFound):
            prompts.resolve(reference=nothing)


def test_all_versions_of_a_ritual_are_one_task(cast: Cast) -> None:
    from mintmark.registry import rituals

    again = rituals.register(name="triage-cases", tag="task:triage", definition={"cases": 2})
    assert again.version == 2
    assert lineage_cache.load_task_ids()[again.pk] == cast.triage.pk
    assert rituals.resolve(reference="triage-cases").pk == again.pk
    assert rituals.resolve(reference="triage-cases@1").pk == cast.triage.pk
