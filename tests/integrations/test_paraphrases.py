"""What the reader of the corpus takes, and how it refuses what it can't."""

import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.integrations import import_report, multiprompt_reader
from tests.integrations import corpus


def _broken(**changes: Any) -> dict[str, Any]:
    whole = corpus.task()
    whole["paraphrases"]["10"] |= changes
    return whole


def _without(field: str) -> dict[str, Any]:
    whole = corpus.task()
    del whole["paraphrases"]["10"][field]
    return whole


def test_a_paraphrase_derives_from_the_original_whose_words_it_shares(tmp_path: Path) -> None:
    corpus.write(tmp_path, "sorting.json", corpus.task())
    (task,) = multiprompt_reader.load_corpus(folder=tmp_path).tasks
    first, second, derived = task.paraphrases
    assert task.find_original(derived) == second
    assert task.find_original(first) is None
    assert task.get_prompt_name(derived) == "sorting-010"


def test_originals_come_first_wherever_the_file_has_them(tmp_path: Path) -> None:
    turned = {"paraphrases": dict(reversed(corpus.task()["paraphrases"].items()))}
    corpus.write(tmp_path, "sorting.json", turned)
    (task,) = multiprompt_reader.load_corpus(folder=tmp_path).tasks
    assert [paraphrase.id for paraphrase in task.paraphrases] == ["2", "1", "10"]


def test_the_folder_of_one_data_set_is_read_as_well(tmp_path: Path) -> None:
    corpus.write(tmp_path, "sorting.json", corpus.task())
    (task,) = multiprompt_reader.load_corpus(folder=tmp_path / "BBH").tasks
    assert (task.namespace, task.name) == ("bbh", "sorting")


def test_a_cell_that_was_not_measured_is_counted_as_such(tmp_path: Path) -> None:
    corpus.write(tmp_path, "sorting.json", _broken(accs={"small-1b": None, "large-70b": 1}))
    counts = multiprompt_reader.load_corpus(folder=tmp_path).count_contents()
    assert (counts["cells"], counts["cells_not_measured"]) == (5, 1)


def test_files_that_are_no_json_are_named(tmp_path: Path) -> None:
    corpus.write(tmp_path, "sorting.json", corpus.task())
    corpus.write(tmp_path, "README.md", "hello")
    assert multiprompt_reader.load_corpus(folder=tmp_path).ignored == ["BBH/README.md"]


BROKEN = {
    "no JSON": ("{", "not JSON"),
    "empty": ("", "not JSON"),
    "not UTF-8": (b'{"paraphrases": "\xff"}', "not UTF-8"),
    "NaN": (json.dumps(_broken(accs={"small-1b": float("nan")})), "NaN"),
    "infinity": (json.dumps(_broken(accs={"small-1b": float("inf")})), "Infinity"),
    "a list": ([], "paraphrases"),
    "no paraphrase": ({"paraphrases": {}}, "at least one"),
    "paraphrases in a list": ({"paraphrases": [corpus.paraphrase("x")]}, "paraphrases"),
    "a paraphrase that is text": ({"paraphrases": {"1": "x"}}, "must be an object"),
    "an id twice": ('{"paraphrases": {"1": {}, "1": {}}}', "occurs twice"),
    "ids of one name": (
        {
            "paraphrases": {
                "1": corpus.paraphrase("a", method="default"),
                "01": corpus.paraphrase("b"),
            }
        },
        "as well",
    ),
    "nested too deeply": ("[" * 100_000, "nested too deeply"),
    "a number without end": ('{"paraphrases": ' + "9" * 10_000 + "}", "can't be read"),
    "no template": (_without("template"), "template is missing"),
    "no method": (_without("method"), "method is missing"),
    "no shares": (_without("accs"), "accs must be an object"),
    "a template that is a number": (_broken(template=7), "template is missing"),
    "an empty template": (_broken(template=" \n"), "empty"),
    "10⁶ characters": (_broken(template="x" * 10**6), "1,000,000 characters"),
    "a hidden character": (_broken(template="a\u200bb"), "ZERO WIDTH SPACE"),
    "NUL": (_broken(template="a\0b"), "U+0000"),
    "half a surrogate pair": (
        '{"paraphrases": {"1": {"template": "\\ud800", "method": "default", "accs": {}}}}',
        "U+D800",
    ),
    "a share above 1": (_broken(accs={"small-1b": 1.7}), "from 0 to 1"),
    "a negative share": (_broken(accs={"small-1b": -0.1}), "from 0 to 1"),
    "a share that is text": (_broken(accs={"small-1b": "0.5"}), "from 0 to 1"),
    "a share that is a truth": (_broken(accs={"small-1b": True}), "from 0 to 1"),
    "a share beyond all numbers": (_broken(accs={"small-1b": 10**400}), "from 0 to 1"),
    "a model without a name": (_broken(accs={"": 0.5}), "model's name"),
    "a verdict that is text": (_broken(correct="yes"), "true, false or null"),
    "no original": ({"paraphrases": {"1": corpus.paraphrase("a")}}, "derive from"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_refuses_the_whole_folder_and_names_the_place(
    tmp_path: Path, content: object, said: str
) -> None:
    corpus.write(tmp_path, "good.json", corpus.task())
    corpus.write(tmp_path, "sorting.json", content)
    with pytest.raises(import_report.UnreadableSource) as refused:
        multiprompt_reader.load_corpus(folder=tmp_path)
    assert said in " ".join(row["message"] for row in refused.value.rows)
    assert "sorting.json" in refused.value.message
    assert {Path(row["file"]).name for row in refused.value.rows} == {"sorting.json"}


def test_every_broken_place_is_named_and_not_the_first_alone(tmp_path: Path) -> None:
    corpus.write(tmp_path, "a.json", _broken(accs={"small-1b": 2, "large-70b": -1}))
    corpus.write(tmp_path, "b.json", "{")
    with pytest.raises(import_report.UnreadableSource) as refused:
        multiprompt_reader.load_corpus(folder=tmp_path)
    fields = [row["field"] for row in refused.value.rows]
    assert fields == ["paraphrases.10.accs.small-1b", "paraphrases.10.accs.large-70b", ""]


def test_a_file_that_cannot_be_opened_refuses_the_folder(tmp_path: Path) -> None:
    corpus.write(tmp_path, "good.json", corpus.task())
    (tmp_path / "BBH" / "gone.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(import_report.UnreadableSource, match=r"gone\.json"):
        multiprompt_reader.load_corpus(folder=tmp_path)


def test_a_folder_without_a_task_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(import_report.UnreadableSource, match="BBH"):
            multiprompt_reader.load_corpus(folder=folder)


@pytest.mark.data
def test_the_real_corpus_is_read_whole(real_data: Path) -> None:
    found = multiprompt_reader.load_corpus(folder=real_data / "multiprompt")
    assert found.count_contents() == {
        "tasks": 17,
        "paraphrases": 3389,
        "models": 16,
        "cells": 44574,
        "cells_not_measured": 0,
        "verdicts": 3389,
    }
