"""The best prompt, and one that may be: drawn as often as it may be the best, and said in every report."""

import random

import pytest

from mintmark import client
from mintmark.client import selection
from mintmark.client.selection import PromptCandidate

from .conftest import Made
from .faulty_server import Server


def _candidate(name: str, value: float, half: float) -> PromptCandidate:
    return PromptCandidate(
        reference=name, ritual="summaries", value=value, low=value - half, high=value + half, runs=9.0
    )  # fmt: skip


SURE, OPEN, POOR = (
    _candidate("sure@1", 0.7, 0.05), _candidate("open@1", 0.65, 0.3), _candidate("poor@1", 0.2, 0.05),
)  # fmt: skip


def _chosen(rng: random.Random | None, *of: PromptCandidate) -> client.Selection:
    return selection.select(of, task="task:summarise", as_of=12, policy=3, rng=rng)


def test_without_exploring_the_surest_is_chosen() -> None:
    choice = _chosen(None, OPEN, POOR, SURE)
    assert (choice.candidate, choice.probability, choice.tag) == (SURE, 1.0, "chosen:surest")
    assert choice.note == (
        "surest for task:summarise: trust 0.700 [0.650, 0.750], 3 candidates, as of 12, policy 3"
    )


def test_each_is_drawn_as_often_as_it_may_be_the_best() -> None:
    rng = random.Random(1)
    drawn = [_chosen(rng, SURE, OPEN, POOR) for _ in range(400)]
    counts = {one.reference: 0 for one in (SURE, OPEN, POOR)}
    for choice in drawn:
        counts[choice.candidate.reference] += 1
    assert counts["poor@1"] == 0
    assert 120 < counts["open@1"] < 230
    # What each choice says of its own probability is what happens.
    said = [c.probability for c in drawn if c.candidate is OPEN]
    assert sum(said) / len(said) == pytest.approx(counts["open@1"] / 400, abs=0.08)
    assert all(0 < choice.probability < 1 for choice in drawn)


def test_thompson_comes_to_use_the_best() -> None:
    """Against true scores of 0.3, 0.5 and 0.7, with beliefs updated as runs come in."""
    rng = random.Random(2)
    truth, runs, hits = (0.3, 0.5, 0.7), [1.0] * 3, [0.5] * 3
    used = [0, 0, 0]
    for _ in range(400):
        of = []
        for n in range(3):
            mean = hits[n] / runs[n]
            sd = (mean * (1 - mean) / (runs[n] + 1)) ** 0.5
            of.append(_candidate(f"{n}", mean, 1.645 * sd))
        best = int(_chosen(rng, *of).candidate.reference)
        used[best] += 1
        runs[best] += 1
        hits[best] += rng.random() < truth[best]
    assert used[2] > 250


def _rank(server: Server, *of: PromptCandidate) -> None:
    items = [
        {
            "prompt": {"reference": one.reference},
            "ritual": {"name": one.ritual},
            "trust": {"value": one.value, "low": one.low, "high": one.high, "runs": one.runs},
        }
        for one in of
    ]
    server.ranking = {"as_of": 12, "policy": 3, "total": len(items), "items": items}
    for one in of:
        server.prompts[one.reference] = server.prompts["mint/summary"] | {
            "reference": one.reference,
            "digest": one.reference,
        }


def test_the_best_is_used_and_every_report_says_why(
    made: Made, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    _rank(server, SURE, OPEN)
    mint = made(rng=random.Random(0))
    best = mint.best("scout", "task:summarise")
    assert best.reference == "sure@1"
    with mint.use(best) as use:
        use.report(0.5, note="x" * 500, tags=["mine"])
    explored = mint.best(task="task:summarise", explore=True)
    with mint.use(explored) as use:
        use.report(0.5)
    assert mint.flush(60)
    first, second = sorted(server.events.values(), key=lambda event: event["occurred_at"])
    assert (first["ritual"], first["tags"]) == ("summaries", ["mine", "chosen:surest"])
    assert len(first["note"]) == 400
    assert first["note"].endswith("as of 12, policy 3")
    assert second["tags"] == ["chosen:thompson"]
    assert "drawn" in second["note"]
    assert "with probability" in second["note"]
    assert "Chose sure@1: surest for task:summarise" in caplog.text


def test_what_was_revoked_since_it_was_ranked_is_passed_over(made: Made, server: Server) -> None:
    _rank(server, SURE, OPEN)
    server.prompts["sure@1"] = server.prompts["sure@1"] | {"text": None}
    mint = made()
    assert mint.best("scout", "task:summarise").reference == "open@1"
    del server.prompts["open@1"]
    with pytest.raises(client.Refused, match="There is no prompt for 'task:summarise'"):
        mint.best("scout", "task:summarise")
    fallback = mint.best("scout", "task:summarise", fallback="Shorten {text}.")
    assert fallback.source == "fallback"


def test_what_the_gates_keep_out_is_counted_and_said_where_nothing_is_left(
    made: Made, server: Server
) -> None:
    _rank(server, SURE)
    server.ranking["left_out"] = {"trust": 2, "contract": 0}
    mint = made()
    choice = mint.best("scout", "task:summarise").selection
    assert choice is not None
    assert choice.left_out == {"trust": 2, "contract": 0}
    server.ranking |= {"items": [], "total": 0}
    with pytest.raises(client.Refused, match=r"Its gates keep some from it: trust 2\."):
        mint.best("scout", "task:summarise")


def test_while_the_server_is_away_a_stale_ranking_may_stand_in(made: Made, server: Server) -> None:
    _rank(server, SURE)
    mint = made(stale_seconds=60)
    mint.best("scout", "task:summarise")
    server.spoils_reads = True
    server.faults.extend(["500"] * 10)
    assert mint.best("scout", "task:summarise").source == "stale"
    with pytest.raises(ValueError, match="for whom"):
        made(assistant=None).best(task="task:summarise")
