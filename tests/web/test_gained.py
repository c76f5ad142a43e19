"""What an edit gained or cost, as the pages say it: in the lineage, and beside what it changed."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mintmark.registry.models import Prompt
from mintmark.scoring.estimate import Estimate
from mintmark.web import number_format
from mintmark.web.scores import edit_effect_panel
from tests.factories.web_scene import SECRET, Scene
from tests.web import markup


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.09, -0.04, "costs 4 to 9 points"),
        (0.04, 0.09, "gains 4 to 9 points"),
        (-0.034, 0.041, "has no clear effect (−3 to +4 points)"),
        (0.0, 0.2, "has no clear effect (+0 to +20 points)"),
        (0.003, 0.021, "gains 0.3 to 2 points"),
        (0.0096, 0.0104, "gains about 1 point"),
        (-0.1204, -0.1196, "costs about 12 points"),
    ],
)
def test_a_gain_is_said_in_points_with_its_doubt(low: float, high: float, said: str) -> None:
    gain = Estimate(value=(low + high) / 2.0, low=low, high=high, runs=50.0)
    assert str(edit_effect_panel.describe_gain(gain)) == said


def test_points_below_one_have_a_tenth_and_are_never_nothing() -> None:
    sizes = (0.0, 0.00002, 0.004, 0.00951, 0.0149, 0.126, 1.0)
    assert [number_format.format_points(size) for size in sizes] == [
        "0", "under 0.1", "0.4", "1", "1", "13", "100",
    ]  # fmt: skip


def _page(client: Client, prompt: Prompt) -> str:
    answer = client.get(f"/prompts/{prompt.pk}/reputation")
    assert answer.status_code == 200
    return markup.read(answer)


def _change(page: str) -> str:
    """The section on what the edit changed, its tags taken out."""
    found = re.search(r'id="diff-title".*?</section>', page, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


@pytest.mark.django_db
class TestOnPages:
    def test_the_edit_says_for_each_assistant_what_it_cost(
        self, scene: Scene, reader: Client
    ) -> None:
        cast = scene.cast
        cast.record(
            *(
                cast.outcome(score=score, runs=100, assistant=cast.smith.pk, prompt=prompt.pk)
                for prompt, score in ((cast.prompt, 0.5), (scene.fork, 0.5))
            ),
            by=cast.seller,
        )
        said = _change(_page(reader, scene.fork))
        # scout: 48 of 60 against 4 of 10, smith: 50 of 100 against 50 of 100.
        assert "This edit costs scout yours 13 to 62 points" in said
        assert "This edit has no clear effect for smith (−11 to +11 points)" in said
        assert said.index("scout") < said.index("smith")
        assert "Over the 2 assistants that ran both texts, this edit" in said
        assert "+ Sort {ticket} quickly." in said

    def test_a_line_of_the_lineage_carries_its_gain_in_words_where_it_was_measured(
        self, scene: Scene, reader: Client
    ) -> None:
        never_run = scene.cast.written("acme/idle", "Sort {ticket}.", parent=scene.cast.prompt)
        page = _page(reader, scene.cast.prompt)
        (told,) = re.findall(r'<g class="cost" role="img" aria-label="([^"]+)"', page)
        assert told == (
            f"{scene.fork.reference} costs 13 to 62 points compared with its parent, over all assistants that ran both"
        )
        assert f"<title>{told}</title>" in page
        assert ">−62 to −13</text>" in page
        assert f"{never_run.reference} costs" not in page

    def test_an_edit_that_nobody_ran_says_so(self, scene: Scene, reader: Client) -> None:
        child = scene.cast.written("acme/idle", "Sort {ticket}.", parent=scene.cast.prompt)
        assert "the effect of the edit is unknown" in _change(_page(reader, child))
        assert 'id="diff-title"' not in _page(reader, scene.cast.prompt)

    def test_what_was_measured_is_for_everybody_and_what_was_changed_for_readers_of_both_texts(
        self, scene: Scene
    ) -> None:
        cast = scene.cast
        child = cast.written("acme/secret-2", f"{SECRET} And again.", parent=scene.secret)
        cast.record(cast.outcome(score=0.9, prompt=child.pk))
        shown = {
            user.username: "weigh {coin}"
            in _page(scene.client(user), child).split('id="diff-title"')[1]
            for user in (cast.seller, cast.buyer, cast.stranger, cast.auditor)
        }
        assert shown == {"seller": True, "buyer": False, "stranger": False, "auditor": False}
        said = _change(_page(scene.client(cast.stranger), child))
        assert "shown to users who may read both texts" in said
        assert "for scout" in said
        assert "yours" not in said

    def test_gains_of_a_whole_family_take_as_many_queries_as_those_of_one_edit(
        self, scene: Scene, reader: Client
    ) -> None:
        def queries() -> int:
            with CaptureQueriesContext(
                connection,
            ) as asked:
                _page(reader, scene.cast.prompt)
            return sum('"evidence_event"."runs"' in one["sql"] for one in asked)

        before = queries()
        for n in range(3):
            child = scene.cast.written(f"acme/c{n}", f"Sort {n}.", parent=scene.cast.prompt)
            scene.cast.record(scene.cast.outcome(score=0.2, prompt=child.pk))
        assert queries() == before
