"""What `pdl policy` shows: datasets with their words, rules with how they are judged, sentences with their rules."""

import json

import pytest

from consumers.cli import run
from ledger.policy import show
from ledger.policy.coverage import coverage
from ledger.policy.packs import builtin_ids, builtin_packs, load_pack, pack_text

STATEMENT = """Voorbeeld

Uw gegevens worden niet langer bewaard dan nodig. Op de website van Voorbeeld B.V. worden geen algemene bezoekgegevens bijgehouden.

- een regel zonder afspraak
"""


def test_a_dataset_is_shown_with_what_it_keeps_and_which_words_say_so():
    row = next(row for row in show.datasets(load_pack("infactor"), "nl") if row["dataset"] == "intruders")
    assert row["categories"] == ["IP-adres"]
    assert row["bases"] == "unspecified"
    assert "die herhaaldelijk proberen in te breken" in row["words"]


def test_with_the_text_at_hand_whole_sentences_are_shown():
    row = next(row for row in show.datasets(load_pack("infactor"), "nl", STATEMENT) if row["dataset"] == "relations")
    assert "Uw gegevens worden niet langer bewaard dan nodig." in row["words"]


def test_each_sentence_is_listed_with_its_rules_or_with_none():
    rows = list(coverage(load_pack("infactor"), STATEMENT))
    assert [(row["line"], row["text"], row["rule"]) for row in rows if "line" in row] == [
        (1, "Voorbeeld", None),
        (3, "Uw gegevens worden niet langer bewaard dan nodig.", "IF-11"),
        (3, "Op de website van Voorbeeld B.V. worden geen algemene bezoekgegevens bijgehouden.", "IF-16"),
        (5, "een regel zonder afspraak", None),
    ]
    assert {row["rule"] for row in rows} >= set(load_pack("infactor").rules)


def test_coverage_places_every_rule():
    rows = [row for pack in builtin_packs().values() for row in coverage(pack)]
    assert len(rows) == 123
    assert {row["how"] for row in rows} <= {"event", "clock", "load", "exception", "none"}
    assert all(row["reason"] for row in rows if row["how"] == "none")


def _json(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_pdl_policy_show_lists_the_statements(capsys):
    assert run(["policy", "show", "--format", "json"]) == 0
    assert [row["organisation"] for row in _json(capsys)] == list(builtin_packs())


@pytest.mark.parametrize("form", ["table", "json", "csv"])
@pytest.mark.parametrize("command", ["show", "lint", "coverage"])
def test_pdl_policy_speaks_in_every_format(capsys, command, form):
    assert run(["policy", command, "klantinfocus", "--format", form]) == 0
    assert "KI-24" in capsys.readouterr().out


def test_coverage_has_the_names_that_others_rely_on(capsys):
    assert run(["policy", "coverage", "directcode", "--format", "json"]) == 0
    row = _json(capsys)[0]
    assert {"organisation", "rule", "words", "how", "promises", "assumed", "reason"} <= set(row)
    assert isinstance(row["promises"], list)


def test_lint_says_no_when_there_are_errors(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text("colour = 1\n", encoding="utf-8")
    assert run(["policy", "lint", str(path), "--format", "json"]) == 1
    rows = _json(capsys)
    assert {row["severity"] for row in rows} == {"error"}
    assert any("colour" in row["message"] or row["line"] == 1 for row in rows)


def test_an_unknown_organisation_is_wrong_use(capsys):
    assert run(["policy", "show", "nobody"]) == 2
    assert "name one of" in capsys.readouterr().err


def test_coverage_of_a_text_refuses_a_citation_that_is_not_in_it(tmp_path, capsys):
    path = tmp_path / "text.txt"
    path.write_text(STATEMENT, encoding="utf-8")
    assert run(["policy", "coverage", "infactor", "--statement", str(path)]) == 2
    assert "IF-17" in capsys.readouterr().err


def test_a_statement_belongs_to_one_organisation(tmp_path):
    assert run(["policy", "lint", "--statement", str(tmp_path / "text.txt")]) == 2


def test_pdl_policy_new_starts_a_pack_that_loads(tmp_path, capsys):
    assert run(["policy", "new", "voorbeeld", "--name", 'Voorbeeld "B.V."', "--effective-from", "2026-01-01"]) == 0
    path = tmp_path / "voorbeeld.toml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    pack = load_pack(path)
    assert (pack.organisation, pack.name, str(pack.effective_from)) == ("voorbeeld", "Voorbeeld 'B.V.'", "2026-01-01")
    assert run(["policy", "lint", str(path)]) == 0


def test_pdl_policy_new_wants_an_id():
    assert run(["policy", "new", "Voor Beeld"]) == 2


def test_a_pack_may_name_the_text_beside_it(tmp_path, capsys):
    assert run(["policy", "new", "voorbeeld"]) == 0
    text = capsys.readouterr().out.replace("reading = 1 ", 'text = "text.txt"\nreading = 1 ', 1)
    (tmp_path / "voorbeeld.toml").write_text(text, encoding="utf-8")
    (tmp_path / "text.txt").write_text(STATEMENT, encoding="utf-8")
    assert run(["policy", "lint", str(tmp_path / "voorbeeld.toml"), "--format", "json"]) == 1
    assert {row["code"] for row in _json(capsys) if row["severity"] == "error"} == {"citation-not-found", "other-text"}


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_the_law_under_every_statement_can_be_shown(capsys, form):
    assert run(["policy", "show", "gdpr", "--format", form, "--language", "nl"]) == 0
    out = capsys.readouterr().out
    assert "Privacy Shield" in out
    assert "2020-07-16" in out
    assert "1 maand, te verlengen met 2 maanden" in out
    assert "GDPR-12(3)" in out


@pytest.mark.parametrize("command", ["show", "lint", "coverage"])
def test_a_file_may_have_any_name(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text(pack_text("infactor")[0], encoding="utf-8")
    assert run(["policy", command, "mine"]) == 0
    assert "IF-03" in capsys.readouterr().out


@pytest.mark.parametrize("organisation", builtin_ids())
@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("command", ["show", "lint", "coverage"])
def test_what_is_read_fits_a_hundred_columns(capsys, monkeypatch, organisation, language, command):
    monkeypatch.setenv("COLUMNS", "100")
    assert run(["policy", command, organisation, "--language", language]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 100] == []


def test_bases_have_their_term_of_the_vocabulary(capsys):
    assert run(["policy", "show", "klantinfocus", "--format", "json"]) == 0
    rows = {row["dataset"]: row for row in _json(capsys)}
    assert rows["customers"]["dpv"]["bases"] == {"legitimate-interest": "eu-gdpr:A6-1-f", "contract": "eu-gdpr:A6-1-b"}
    assert rows["customers"]["dpv"]["categories"]["email"] == "pd:EmailAddress"


def test_what_a_client_may_set_is_shown_with_its_bounds_and_default(capsys):
    assert run(["policy", "show", "kcm"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "between 1 month and 12 months" in out
    assert "lower bound" in out
