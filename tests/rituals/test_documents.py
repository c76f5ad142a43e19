"""YAML and JSON from anybody: plain values, and nothing that blows up."""

import time

import pytest

from mintmark.common import documents
from tests import oversize_inputs


def test_plain_values_are_read_as_yaml_1_2_has_them() -> None:
    assert documents.parse_document(
        "no: no\nday: 2026-01-01\nten: 010\nhex: 0x10\nhalf: 0.5\nbig: 1e3\nnull: ~\nempty:\n"
        "yes: [true, on, 12:30]\n7: seven\n"
    ) == {
        "no": "no",
        "day": "2026-01-01",
        "ten": 10,
        "hex": 16,
        "half": 0.5,
        "big": 1000.0,
        "null": None,
        "empty": None,
        "yes": [True, "on", "12:30"],
        "7": "seven",
    }


def test_json_is_read_as_well() -> None:
    assert documents.parse_document(b'{"a": [1, 2.5, null, true, "\\u00e9"]}') == {
        "a": [1, 2.5, None, True, "é"]
    }


def test_aliases_and_merges_are_read() -> None:
    assert documents.parse_document("a: &a {k: 1}\nb: *a\nc: {<<: *a, z: 2}\n") == {
        "a": {"k": 1},
        "b": {"k": 1},
        "c": {"k": 1, "z": 2},
    }


@pytest.mark.parametrize(
    "text",
    [
        *oversize_inputs.YAML.values(),
        "&a [*a]",
        "a: &a {b: *a}",
        "a: *nobody",
        "[" * 1_000,
        "{a: " * 1_000,
        "- " * 1_000,
        "[" * (documents.MAX_BYTES + 1),
        "- x\n" * (documents.MAX_VALUES + 1),
        "a: 1\na: 2",
        "? [a]\n: b",
        "a: !!python/object/apply:os.system [ls]",
        "a: !custom b",
        "a: !!binary aGk=",
        "a: !!set {b}",
        "a: 1e999",
        "a: " + "9" * 30,
        'a: "\\0"',
        "a: \x07",
        "a: [",
        "a: 1\n---\nb: 2",
        b"\xff\xfe",
    ],
)
def test_what_blows_up_or_is_no_plain_value_is_refused_in_no_time(text: str | bytes) -> None:
    began = time.process_time()
    with pytest.raises(documents.InvalidDocument):
        documents.parse_document(text)
    assert time.process_time() - began < 5.0


def test_a_refusal_says_where() -> None:
    with pytest.raises(documents.InvalidDocument, match=r"line 2, column 1.*twice"):
        documents.parse_document("a: 1\na: 2")


def test_what_is_shared_is_counted_where_it_stands_and_in_as_many_steps() -> None:
    shared = ["x" * 100] * 10
    assert not documents.is_longer({"a": shared, "b": shared}, max_characters=2_030)
    assert documents.is_longer({"a": shared, "b": shared}, max_characters=2_000)
    value: list[object] = ["x"]
    for _ in range(200):
        value = [value, value]
    assert documents.is_longer(value, max_characters=10_000)
