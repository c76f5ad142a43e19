"""What the reader of the prompts.chat list takes, and how it refuses what it can't."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.integrations import import_report, prompts_chat_csv
from mintmark.integrations.prompts_chat_csv import TableEntry

HEADING = "act,prompt,for_devs,type\n"


def _read(folder: Path, content: str | bytes) -> prompts_chat_csv.PromptTable:
    file = folder / "prompts.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return prompts_chat_csv.load_table(file=file)


def _titled(title: str) -> TableEntry:
    return TableEntry(row=0, line=1, title=title, text="x", tags=())


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Linux Terminal", "linux-terminal"),
        ("Echo — the  2nd!", "echo-the-2nd"),
        ("İngilizce Çeviri", "ingilizce-ceviri"),
        ("为您的公司", "为您的公司"),
        ("x" * 200, "x" * 180),
    ],
)
def test_a_title_becomes_a_name(title: str, slug: str) -> None:
    assert _titled(title).slug == slug


@given(st.text(max_size=200))
def test_a_name_has_only_letters_digits_and_hyphens_between_them(title: str) -> None:
    slug = _titled(title).slug
    assert all(character.isalnum() or character == "-" for character in slug)
    assert slug == slug.strip("-")


def test_type_and_audience_become_tags(tmp_path: Path) -> None:
    table = _read(tmp_path, HEADING + "A,do,TRUE,STRUCTURED\nB,do,FALSE,\n")
    assert [entry.tags for entry in table.entries] == [
        ("type:structured", "audience:developers"),
        (),
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(tmp_path: Path) -> None:
    table = _read(tmp_path, b"\xef\xbb\xbfact,prompt\r\nA,do it\r\n")
    assert [(entry.title, entry.text) for entry in table.entries] == [("A", "do it")]


def test_a_row_knows_the_line_that_it_starts_in(tmp_path: Path) -> None:
    table = _read(tmp_path, 'act,prompt\nA,"one\ntwo\nthree"\nB,x\n')
    assert [(entry.row, entry.line) for entry in table.entries] == [(0, 2), (1, 5)]


def test_columns_that_are_not_kept_are_named(tmp_path: Path) -> None:
    assert _read(tmp_path, "act,prompt,contributor\nA,do,me\n").other_columns == ["contributor"]


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        (",do it,FALSE,TEXT", "act", "1 to 200 characters"),
        ("!!!,do it,FALSE,TEXT", "act", "no letter"),
        (f"{'x' * 201},do it,FALSE,TEXT", "act", "has 201"),
        ("A\u202e,do it,FALSE,TEXT", "act", "RIGHT-TO-LEFT OVERRIDE"),
        ("A,do\u200b it,FALSE,TEXT", "prompt", "line 1, column 3"),
        ("A,do\0it,FALSE,TEXT", "prompt", "U+0000"),
        ("A,do it,perhaps,TEXT", "for_devs", "TRUE or FALSE"),
        ("A,do it,FALSE,two words", "type", "one word"),
    ],
)
def test_a_row_that_is_no_prompt_is_refused_by_itself(
    tmp_path: Path, row: str, field: str, said: str
) -> None:
    table = _read(tmp_path, HEADING + f"Good,text,FALSE,TEXT\n{row}\n")
    assert [entry.title for entry in table.entries] == ["Good"]
    (refused,) = table.refused
    assert (refused["row"], refused["line"], refused["field"]) == (1, 3, field)
    assert said in refused["message"]


BROKEN = {
    "no row": (HEADING, "no row"),
    "nothing": ("", "lacks act, prompt"),
    "other columns": ("title,text\nA,do\n", "lacks act, prompt"),
    "a column twice": ("act,prompt,act\nA,do,B\n", "twice"),
    "a quote that never ends": ('act,prompt\nA,"do\nB,it\n', "line 2"),
    "a quote inside": ('act,prompt\nA,"do"it\n', "line 2"),
    "a field too few": ("act,prompt\nA,do\nB\n", "1 fields where the heading has 2"),
    "a field too many": ("act,prompt\nA,do,it\n", "3 fields"),
    "not UTF-8": (b"act,prompt\nA,caf\xe9\n", "line 2"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_whole(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(import_report.UnreadableSource) as refused:
        _read(tmp_path, content)
    assert said in refused.value.message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(import_report.UnreadableSource, match="No such file"):
        prompts_chat_csv.load_table(file=tmp_path / "nowhere.csv")


@pytest.mark.data
def test_the_real_list_is_read_whole_but_for_one_row(real_data: Path) -> None:
    table = prompts_chat_csv.load_table(file=real_data / "prompts_chat.csv")
    assert table.rows == 1529
    assert max(len(entry.text) for entry in table.entries) == 144_260
    (refused,) = table.refused
    assert (refused["row"], refused["field"], refused["value"]) == (
        728,
        "prompt",
        "ZERO WIDTH SPACE",
    )
