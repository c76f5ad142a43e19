"""The pages of runs: who sees them, what they say, cancelling and resuming."""

import re
from typing import Any

import pytest
from django.test import Client

from mintmark.accounts.models import Role
from mintmark.evidence.models import Event
from mintmark.rituals import retention
from mintmark.rituals.models import CaseRun, RitualRun
from tests.factories.cast import person
from tests.factories.runs_fixture import OUTPUT, Laboratory, replies
from tests.web import markup
from tests.web.measuring import pages

pytestmark = pytest.mark.django_db


def _run(run: RitualRun, more: str = "") -> str:
    return f"/runs/{run.pk}{more}"


def test_the_list_has_the_runs_of_one_s_teams_newest_first(
    buyer: Client, seller: Client, stranger: Client, lab: Laboratory
) -> None:
    mine = pages.page(buyer, "/runs")
    shown = [int(pk) for pk in re.findall(r'href="/runs/(\d+)">Run', mine)]
    assert shown == [lab.waiting.pk, lab.stopped.pk, lab.done.pk]
    said = pages.words(pages.page(seller, "/runs"))
    assert f"Run {lab.rehearsed.pk} rehearsal done acme/triage@1 smith" in said
    assert f"Run {lab.done.pk} " not in said
    assert "No runs yet. Operators start them" in pages.words(pages.page(stranger, "/runs"))
    everything = pages.page(lab.scene.client(lab.scene.admin), "/runs")
    assert len(re.findall(r'href="/runs/\d+">Run', everything)) == 4


def test_an_empty_list_says_how_to_start(lab: Laboratory) -> None:
    RitualRun.objects.filter(assistant=lab.cast.smith).delete()
    page = pages.page(lab.scene.client(lab.cast.seller), "/runs")
    assert "Start one here" in page
    assert "mintmark ritual run" in page


def test_the_list_is_narrowed(buyer: Client, lab: Laboratory) -> None:
    for query, found in (
        ("state=queued", [lab.waiting]),
        ("state=incomplete", [lab.stopped]),
        (f"assistant={lab.cast.scout.pk}", [lab.waiting, lab.stopped, lab.done]),
        (f"ritual={lab.ritual.pk}&prompt={lab.cast.prompt.pk}&state=done", [lab.done]),
        (f"prompt={lab.scene.fork.pk}", []),
    ):
        page = pages.page(buyer, f"/runs?{query}")
        shown = [int(pk) for pk in re.findall(r'href="/runs/(\d+)">Run', page)]
        assert shown == [run.pk for run in found]
        assert found or "No runs that you can see" in page


def test_a_filter_that_is_none_is_told(buyer: Client, lab: Laboratory) -> None:
    for query, status in (
        ("state=gone", 400),
        ("assistant=x", 400),
        ("prompt=999999", 404),
        ("before=-1", 400),
    ):
        pages.page(buyer, f"/runs?{query}", status=status)


def test_the_list_goes_on_where_the_page_ends(
    buyer: Client, lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.web.measuring.runs.ROWS_PER_PAGE", 2)
    first = pages.page(buyer, "/runs")
    assert f'href="?before={lab.stopped.pk}"' in first
    second = pages.page(buyer, f"/runs?before={lab.stopped.pk}")
    assert f"/runs/{lab.done.pk}" in second
    assert f"/runs/{lab.waiting.pk}" not in second


def test_a_run_is_for_the_assistant_s_team(
    buyer: Client, seller: Client, stranger: Client, lab: Laboratory
) -> None:
    pages.page(buyer, _run(lab.done))
    pages.page(lab.scene.client(lab.scene.admin), _run(lab.done))
    for client in (seller, stranger):
        for verb in ("", "/cancel", "/resume"):
            ask = client.post if verb else client.get
            answer = ask(_run(lab.done, verb))
            assert answer.status_code == 404
            assert OUTPUT not in markup.read(answer)
    assert "/sign-in" in lab.scene.client(None).get(_run(lab.done))["Location"]


def test_a_done_run_says_what_it_measured_and_what_that_moved(
    buyer: Client, lab: Laboratory
) -> None:
    page = pages.page(buyer, _run(lab.done))
    said = pages.words(page)
    assert "The run is done" in said
    assert "12 of 12 cases answered" in said
    assert "0.00096 USD of at most 0.5" in said
    assert "18 events, recorded by buyer" in said
    assert "Together they moved the reputation of acme/triage@1 by" in said
    assert "temperature 0, seed 7" in said
    assert "memory in another order" in said
    outcome = Event.objects.get(key=f"ritual-run:{lab.done.pk}:frame:0:score")
    assert f"?before={outcome.pk + 1}#event-{outcome.pk}" in page
    assert "every 2s" not in page


def test_the_link_to_the_evidence_shows_the_event(buyer: Client, lab: Laboratory) -> None:
    outcome = Event.objects.get(key=f"ritual-run:{lab.done.pk}:frame:0:score")
    path = f"/prompts/{lab.cast.prompt.pk}/reputation?before={outcome.pk + 1}"
    assert f'id="event-{outcome.pk}"' in pages.page(buyer, path)


def test_what_others_record_under_a_run_s_key_is_none_of_it(buyer: Client, lab: Laboratory) -> None:
    key = f"ritual-run:{lab.stopped.pk}:frame:3:score"
    lab.cast.record(lab.cast.claim("approval", key=key), now=lab.clock())
    assert "18 events" in pages.words(pages.page(buyer, _run(lab.stopped)))


def test_the_events_come_a_page_at_a_time(
    buyer: Client, lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.web.measuring.runs.EVENTS_PER_PAGE", 4)
    first = pages.page(buyer, _run(lab.done))
    (after,) = set(re.findall(r"event=(\d+)#evidence", first))
    second = pages.page(buyer, _run(lab.done, f"?event={after}"))
    assert f"#event-{after}" in first
    assert f"#event-{after}" not in second


def test_a_case_says_how_it_was_judged(buyer: Client, lab: Laboratory) -> None:
    said = pages.words(pages.page(buyer, _run(lab.done)))
    assert "outage passed 1.00 weight 2" in said
    assert "✓" not in said
    assert "yes The output contains “urgent”, ignoring case." in said
    assert "typo failed 0.00" in said
    assert "no The output does not meet this: it contains “urgent”" in said
    assert "house-style 100%" in said
    assert "1 attempt 420 ms 40 tokens in, 9 out 0.00008 USD" in said


def test_a_broken_clause_shows_its_place_in_the_output(buyer: Client, lab: Laboratory) -> None:
    page = pages.page(buyer, _run(lab.done))
    assert "you get your money back</mark>" in page
    said = pages.words(page)
    assert "2 of 4 broken" in said
    assert "characters 23 to 45" in said
    assert "no-promise of house-rules@2" in said
    assert "U+200B" in page


def test_the_cases_of_another_frame(buyer: Client, lab: Laboratory) -> None:
    page = pages.page(buyer, _run(lab.done, "?frame=2"))
    assert "Cases of replay 2" in page
    assert "Calm." in page
    pages.page(buyer, _run(lab.done, "?frame=3"), status=400)


def test_cases_come_a_page_at_a_time_and_by_what_came_of_them(
    buyer: Client, lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.web.measuring.run_cases.CASES_PER_PAGE", 2)
    assert "?case=3#cases" in pages.page(buyer, _run(lab.done))
    page = pages.page(buyer, _run(lab.done, "?case=3"))
    assert 'id="case-2"' in page
    assert 'id="case-0"' not in page
    missed = pages.page(buyer, _run(lab.done, "?only=missed"))
    assert re.findall(r'<h3 id="case-(\d+)"', missed) == ["2"]
    assert "No such cases" in pages.page(buyer, _run(lab.done, "?only=failed"))


def test_a_failed_case_says_why_in_words(buyer: Client, lab: Laboratory) -> None:
    said = pages.words(pages.page(buyer, _run(lab.stopped, "?frame=3")))
    assert "stopped early" in said
    assert "4 cases failed, the first since the transcript has no reply" in said
    assert "It failed after 1 attempt: the transcript has no reply to the case" in said
    assert "not_in_transcript" in said
    assert "no: not every case has a result" in said


def test_a_forgotten_output_says_so_and_its_judgement_stays(
    buyer: Client, lab: Laboratory, settings: Any
) -> None:
    settings.OUTPUT_DAYS = 0
    retention.purge_outputs(now=lab.clock())
    page = pages.page(buyer, _run(lab.done))
    assert "The output was deleted" in page
    assert OUTPUT not in page
    assert "you get your money back" not in page
    assert ">failed</span>" in page


def test_outputs_are_inert(buyer: Client, lab: Laboratory) -> None:
    CaseRun.objects.filter(run=lab.done).update(output="<script>alert(1)</script>" + "x" * 4_000)
    page = pages.page(buyer, _run(lab.done))
    assert "<script>alert(1)" not in page
    assert "1,025 more characters" in page
    assert "x" * 4_000 in pages.page(buyer, _run(lab.done, "?whole=1"))


def test_a_rehearsal_says_that_it_is_none_and_enters_nothing(
    seller: Client, lab: Laboratory
) -> None:
    said = pages.words(pages.page(seller, _run(lab.rehearsed)))
    assert "This is a rehearsal without a language model." in said
    assert "The results do not enter the log" in said
    assert "no: measured with the rehearsal runner" in said


def test_a_run_that_waits_follows_by_itself_until_it_ends(buyer: Client, lab: Laboratory) -> None:
    page = pages.page(buyer, _run(lab.waiting))
    assert 'hx-trigger="every 2s"' in page
    assert "0 of 8 cases" in pages.words(page)
    part = markup.read(buyer.get(_run(lab.waiting), headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert 'hx-trigger="every 2s"' in part
    lab.worked(only=lab.waiting)
    part = markup.read(buyer.get(_run(lab.waiting), headers={"HX-Request": "true"}))
    assert "every 2s" not in part
    assert "The run has ended." in part


def test_a_run_that_waits_says_which_goes_first(buyer: Client, lab: Laboratory) -> None:
    RitualRun.objects.filter(pk=lab.stopped.pk).update(state="running")
    said = pages.words(pages.page(buyer, _run(lab.waiting)))
    assert f"scout is busy with run {lab.stopped.pk}. An assistant does one run at a time" in said


def test_a_run_under_way_says_what_is_being_asked(buyer: Client, lab: Laboratory) -> None:
    RitualRun.objects.filter(pk=lab.waiting.pk).update(state="running")
    CaseRun.objects.filter(run=lab.waiting, frame=0, number=0).update(state="calling")
    said = pages.words(pages.page(buyer, _run(lab.waiting, "?only=open")))
    assert "1 case in progress" in said
    assert "outage in progress" in said
    assert "refund not called yet" in said


def test_a_run_is_cancelled_once(buyer: Client, lab: Laboratory) -> None:
    answer = pages.post(buyer, _run(lab.waiting, "/cancel"))
    assert answer["Location"] == _run(lab.waiting)
    said = pages.words(pages.page(buyer, _run(lab.waiting)))
    assert f"Run {lab.waiting.pk} was cancelled" in said
    assert "It was cancelled by buyer." in said
    pages.post(buyer, _run(lab.waiting, "/cancel"))
    pages.post(buyer, _run(lab.done, "/cancel"))
    assert "had already ended" in pages.page(buyer, _run(lab.done))
    lab.done.refresh_from_db()
    assert lab.done.state == RitualRun.State.DONE


def test_a_run_that_stopped_goes_on_with_a_new_cap(buyer: Client, lab: Laboratory) -> None:
    lab.reached(lab.cast.scout, kind="transcript", transcript=replies(4), price_in_micro=2_000)
    answer = pages.post(buyer, _run(lab.stopped, "/resume"), cost_cap="0.25")
    assert answer["Location"] == _run(lab.stopped)
    lab.stopped.refresh_from_db()
    assert lab.stopped.cost_cap_micro == 250_000
    assert lab.stopped.state == RitualRun.State.QUEUED
    lab.worked(only=lab.stopped)
    said = pages.words(pages.page(buyer, _run(lab.stopped)))
    assert "The run is done" in said
    assert "24 events" in said


def test_a_cap_that_is_none_is_told_and_stays_in_the_form(buyer: Client, lab: Laboratory) -> None:
    for cap in ("-1", "much", "1e400", "0.0000001"):
        answer = pages.post(buyer, _run(lab.stopped, "/resume"), cost_cap=cap)
        page = markup.read(answer)
        assert answer.status_code == 422
        assert "must be an amount from 0" in page
        assert f'value="{cap}"' in page
    lab.stopped.refresh_from_db()
    assert lab.stopped.state == RitualRun.State.INCOMPLETE


def test_a_run_of_another_model_is_not_resumed(buyer: Client, lab: Laboratory) -> None:
    lab.reached(lab.cast.scout, kind="rehearsal")
    answer = pages.post(buyer, _run(lab.stopped, "/resume"))
    assert answer.status_code == 422
    assert "has another now" in markup.read(answer)


def test_who_does_not_operate_sees_and_does_nothing(lab: Laboratory) -> None:
    author = lab.scene.client(person("pen", Role.AUTHOR, team=lab.cast.buyers))
    page = pages.page(author, _run(lab.waiting))
    assert "Cancel this run" not in page
    assert "Run it again" not in page
    assert "Resume" not in pages.page(author, _run(lab.stopped))
    assert author.post(_run(lab.waiting, "/cancel")).status_code == 403
    assert author.post(_run(lab.stopped, "/resume")).status_code == 403
    assert author.get(_run(lab.stopped, "/resume")).status_code == 405


def test_a_run_of_many_cases_takes_no_more_queries_to_show(
    buyer: Client, lab: Laboratory, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(40):
        pages.page(buyer, _run(lab.done))
    with django_assert_max_num_queries(20):
        pages.page(buyer, "/runs")


def test_runs_of_a_ritual_are_found_from_its_page(buyer: Client, lab: Laboratory) -> None:
    page = pages.page(buyer, f"/rituals/{lab.ritual.pk}")
    assert f"/runs/{lab.waiting.pk}" not in page
    assert f'href="/runs/{lab.stopped.pk}"' in page
    assert f"/runs?ritual={lab.ritual.pk}" in page
    assert f"/runs/new?ritual={lab.ritual.pk}" in page
