"""Names can't be used against others: no gaps in versions, no paths, no name that two identities share."""

import pytest

from mintmark.accounts.models import User
from mintmark.cli import users
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from tests.factories.cast import Cast


@pytest.fixture
def cast(db: None, built_cast: Cast) -> Cast:
    return built_cast


@pytest.mark.parametrize("version", [3, 2**31 - 1])
def test_a_jump_of_versions_is_refused_with_the_next_number(cast: Cast, version: int) -> None:
    with pytest.raises(rituals.InvalidRitual, match="the next is 2"):
        rituals.register(
            name=cast.triage.name, tag="task:triage", definition={"n": 1}, version=version
        )
    following = rituals.register(
        name=cast.triage.name, tag="task:triage", definition={"n": 1}, version=2
    )
    assert following.version == 2
    assert Ritual.objects.filter(name=cast.triage.name).count() == 2


@pytest.mark.parametrize("name", ["a/../b", "a/..", "a/./b", "a/."])
def test_a_name_that_leaves_its_folder_is_refused(cast: Cast, name: str) -> None:
    with pytest.raises(prompts.InvalidPrompt, match="segment"):
        prompts.register(
            draft=prompts.PromptDraft(namespace="paths", name=name, text="Say it."),
            author=cast.as_(cast.seller).principal,
            team=cast.sellers,
        )
    assert not Prompt.objects.filter(namespace="paths").exists()


@pytest.mark.parametrize("name", ["v1.2/a..b", "a.b"])
def test_dots_within_a_segment_are_allowed(cast: Cast, name: str) -> None:
    prompt = prompts.register(
        draft=prompts.PromptDraft(namespace="paths", name=name, text="Say it."),
        author=cast.as_(cast.seller).principal,
        team=cast.sellers,
    )
    assert prompt.name == name


def test_an_assistant_takes_no_persons_name(cast: Cast) -> None:
    name = cast.seller.get_username().upper()
    with pytest.raises(assistants.InvalidAssistant, match="person"):
        assistants.register(name=name, owner=cast.as_(cast.seller).principal, team=cast.sellers)
    assert not Assistant.objects.filter(name=name).exists()


def test_a_person_takes_no_assistants_name(cast: Cast) -> None:
    with pytest.raises(users.NameTaken, match="assistant"):
        users.create_user(
            name=cast.scout.name.upper(), password="quite-a-long-word-9", roles=[], team=None
        )
    assert not User.objects.filter(username__iexact=cast.scout.name).exists()
