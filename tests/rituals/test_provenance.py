"""What the worker ran counts as executed where an administrator said how the model, and its judge, are reached."""

from typing import Any

import pytest

from mintmark.accounts.models import Role
from mintmark.common.provenance import Provenance
from mintmark.evidence.models import Event, Vouch
from mintmark.rituals import runner_settings
from mintmark.rituals.runner_settings import RunnerSettingsInput
from tests.factories.cast import person
from tests.factories.ritual_scene import KEY_NAME, Scene

pytestmark = pytest.mark.django_db


def _configure(scene: Scene, assistant: Any, *, by: Any, judge: Any = None) -> None:
    setup = RunnerSettingsInput(
        kind="openai", base_url=scene.url, model="perfect", key_name=KEY_NAME, judge=judge
    )
    runner_settings.configure(caller=by, assistant=assistant, setup=setup, now=scene.now)


def _run(scene: Scene) -> set[int | None]:
    scene.started()
    assert scene.worked() is not None
    return set(Event.objects.filter(batch__source="ritual").values_list("provenance", flat=True))


@pytest.mark.parametrize(
    ("runner_by", "judge_by", "executed"),
    [
        ("admin", None, True),
        ("admin", "admin", True),
        ("operator", None, False),
        ("admin", "operator", False),
    ],
)
def test_a_run_is_executed_where_an_administrator_configured_all_of_it(
    scene: Scene, runner_by: str, judge_by: str | None, executed: bool
) -> None:
    Vouch.objects.all().delete()
    by = {"admin": scene.cast.as_(person("root", Role.ADMIN)), "operator": scene.caller}
    judge = None
    if judge_by is not None:
        judge = scene.cast.assistant("judge", team=scene.cast.buyers)
        _configure(scene, judge, by=by[judge_by])
    _configure(scene, scene.cast.scout, by=by[runner_by], judge=judge)
    expected = Provenance.EXECUTED if executed else Provenance.WORD
    assert _run(scene) == {expected}


def test_settings_that_an_operator_changed_since_are_the_installations_no_more(
    scene: Scene,
) -> None:
    Vouch.objects.all().delete()
    admin = scene.cast.as_(person("root", Role.ADMIN))
    _configure(scene, scene.cast.scout, by=admin)
    scene.started()
    _configure(scene, scene.cast.scout, by=scene.caller)
    assert scene.worked() is not None
    assert set(Event.objects.values_list("provenance", flat=True)) == {Provenance.WORD}
