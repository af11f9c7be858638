"""Rendering: the same rows for a person, a program and a spreadsheet."""

from __future__ import annotations

import csv
import io
import json

import pytest

from consumers.cli.render import harmless, one, rows

ROWS = [
    {"rule": "KI-24", "count": 2, "about": ["a", "b"], "until": None},
    {"rule": "=1+1", "count": -3, "about": [], "until": "2026"},
]


def test_json_prints_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    rows(ROWS, "json")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


def test_csv_disarms_formulas_and_keeps_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    rows(ROWS, "csv")
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert found[1] == {"rule": "'=1+1", "count": "-3", "about": "", "until": "2026"}
    assert found[0]["about"] == "a, b"


@pytest.mark.parametrize("text", ["=x", "+x", "-x", "@x", "\tx", "\rx", "|x"])
def test_text_that_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless([text]).startswith("'")


def test_a_table_drops_empty_columns_and_says_when_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    rows([{"rule": "KI-24", "until": None}], "table")
    out = capsys.readouterr().out
    assert "KI-24" in out
    assert "until" not in out
    rows([], "table", nothing="No findings.")
    assert capsys.readouterr().out == "No findings.\n"


def test_a_table_prints_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    rows([{"rule": "a\x1b[31mb"}], "table")
    assert "\x1b" not in capsys.readouterr().out


def test_rows_too_wide_for_a_table_become_cards(capsys: pytest.CaptureFixture[str]) -> None:
    rows([{f"column_{n}": n for n in range(40)}], "table")
    lines = capsys.readouterr().out.splitlines()
    assert "column 7   7" in lines


def test_one_object_is_a_line_of_json_or_names_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    one({"ok": True, "inner": {"a": 1}}, "json")
    one({"ok": True, "inner": {"a": 1}}, "table")
    one({"ok": True, "inner": {"a": 1}}, "csv")
    out = capsys.readouterr().out
    assert out.startswith('{"ok":true,"inner":{"a":1}}\n')
    assert "inner · a  1\n" in out
    assert "inner · a,1\r\n" in out
