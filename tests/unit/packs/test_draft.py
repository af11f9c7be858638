"""A pack to begin with: every sentence cited, nothing invented, and what was answered judged at once."""

import json
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.cli import run
from ledger.policy.draft import Answers, Kept, catalogue, citation, draft, is_heading, prefix
from ledger.policy.lint import lint
from ledger.policy.packs import builtin_packs, dpv_terms, parse_pack
from ledger.policy.sentences import places_of, sentences

ROOT = Path(__file__).parents[3]
DEOTTER = ROOT / "examples/deotter"
TEXT = DEOTTER.joinpath("statement.txt").read_text(encoding="utf-8")
KNOWN = catalogue(builtin_packs().values())
ANSWERS = Answers(
    organisation="club",
    name='De "Club"',
    effective_from=date(2025, 2, 1),
    kept=(
        Kept(
            activity="membership", classes=("member",), categories=("name", "shoe-size"), purposes=("membership",), bases=("contract",),
            ends="term", term="P2Y", after="membership.ended", recipients={"printer": "printing"}, what=(8, 9), how_long=(11,), with_whom=(18,),
        ),
        Kept(activity="newsletter", classes=("subscriber",), categories=("email",), purposes=("newsletter",), bases=("consent",), ends="withdrawal", what=(32,), how_long=(35,)),
        Kept(activity="results", classes=("member",), categories=("result",), purposes=("publish-results",), ends="criteria", what=(21,), how_long=(26,)),
        Kept(activity="photos", classes=("member",), categories=("photo",), purposes=("publish-photo",), what=(28,)),
    ),
    rights=("access", "erasure"),
    rights_term="P2W",
    rights_in=(45, 44),
    complaint=46,
)  # fmt: skip


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PDL_DATA", raising=False)


def _errors(text, statement=None):
    return [fault for fault in lint(text, "club.toml", statement) if fault.severity == "error"]


def test_every_sentence_that_is_no_heading_has_a_rule_whose_citation_is_in_the_text_once():
    pack = parse_pack(draft(ANSWERS, TEXT, KNOWN), "club.toml")
    told = [sentence for sentence in sentences(TEXT) if not is_heading(sentence)]
    assert len(pack.rules) == len(told)
    for rule, sentence in zip(pack.file.rules, told, strict=True):
        assert len(places_of(TEXT, rule.words)) == 1
        assert rule.words in sentence.text


def test_the_draft_has_no_errors_but_what_is_not_yet_read():
    found = _errors(draft(ANSWERS, TEXT, KNOWN), TEXT)
    assert {fault.code for fault in found} == {"not-yet-read"}
    named = {8, 9, 11, 18, 21, 26, 28, 32, 35, 44, 45, 46}
    told = [number for number, sentence in enumerate(sentences(TEXT), 1) if not is_heading(sentence)]
    assert len(found) == len(set(told) - named)


def test_what_was_answered_stands_in_tables_and_promises():
    pack = parse_pack(draft(ANSWERS, TEXT, KNOWN), "club.toml")
    kinds = [type(promise).__name__ for promise in pack.promises]
    assert sorted(set(kinds)) == ["AllowList", "ConsentGate", "Recipients", "RequestClock", "Retention", "Stop"]
    assert pack.datasets["membership"].bases == ("contract",)
    assert pack.datasets["photos"].bases == "unspecified"
    assert pack.datasets["photos"].retention.ends == "unspecified"
    assert pack.datasets["newsletter"].retention.ends == "milestone"
    assert pack.file.recipients["printer"].service == "printing"
    assert pack.name == 'De "Club"'


def test_words_that_other_packs_have_are_taken_over_and_others_are_to_be_looked_at():
    text = draft(ANSWERS, TEXT, KNOWN)
    file = parse_pack(text, "club.toml").file
    assert file.categories["name"].nl == "naam"
    assert file.classes["member"].nl == "lid"
    (line,) = [line for line in text.splitlines() if line.startswith("shoe-size")]
    assert "looked at" in line


def test_the_common_words_are_terms_of_the_vocabulary_with_labels_in_two_languages():
    for (space, id_), (nl, en, dpv) in KNOWN.items():
        assert nl, (space, id_)
        assert en, (space, id_)
        assert dpv in dpv_terms(), (space, id_)


def test_without_a_text_every_citation_is_still_to_be_written():
    text = draft(ANSWERS, "", KNOWN)
    assert {fault.code for fault in _errors(text)} <= {"citation-empty", "citation-repeated", "not-yet-read"}


def test_without_answers_nothing_is_kept_and_every_sentence_is_to_be_read():
    found = _errors(draft(Answers(organisation="club", name="Club"), TEXT, KNOWN), TEXT)
    assert {fault.code for fault in found} == {"not-yet-read", "nothing-kept"}


def test_a_sentence_that_recurs_or_names_somebody_gets_no_rule():
    text = "Dit is een zin die twee keer voorkomt.\nDit is een zin die twee keer voorkomt.\nMail naar ada@example.org of bob@example.org.\nDeze zin staat er een keer.\n"
    pack = parse_pack(draft(Answers(organisation="club", name="Club"), text, KNOWN), "club.toml")
    assert [rule.words for rule in pack.file.rules] == ["Deze zin staat er een keer"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.sampled_from("aabc de.\n\"\\'é€"), max_size=60), max_size=12).map("".join))
def test_whatever_the_text_a_draft_loads_and_its_citations_are_in_it_once(text):
    pack = parse_pack(draft(Answers(organisation="club", name="Club"), text, KNOWN), "club.toml")
    for rule in pack.file.rules:
        assert len(places_of(text, rule.words)) == 1


def test_a_citation_is_short_and_ends_in_a_word_that_says_something():
    (sentence,) = sentences("Twee jaar na het einde van het lidmaatschap verwijderen wij deze gegevens.")
    assert citation(sentence, sentence.text) == "Twee jaar na het einde van het lidmaatschap"


@pytest.mark.parametrize(
    ("organisation", "letters"), [("deotter", "DEO"), ("de-otter", "DO"), ("a", "AXX"), ("x9", "XXX")]
)
def test_rules_are_numbered_behind_a_few_letters(organisation, letters):
    assert prefix(organisation) == letters


# --- the command ------------------------------------------------------------------------------------------------------------


def _asked(monkeypatch, answers, *arguments):
    from io import StringIO  # noqa: PLC0415  only here

    monkeypatch.setattr("sys.stdin", StringIO(answers))
    return run(["policy", "new", "deotter", "--ask", *arguments])


KNOWN_BEFORE = [
    "--name",
    "Zwemvereniging De Otter",
    "--version",
    "3",
    "--effective-from",
    "2025-02-01",
    "--language",
    "nl",
]


def test_the_answers_of_the_example_make_a_draft_that_waits_for_its_reader_only(tmp_path, monkeypatch, capsys):
    (tmp_path / "statement.txt").write_text(TEXT, encoding="utf-8")
    answers = DEOTTER.joinpath("answers.txt").read_text(encoding="utf-8")
    assert _asked(monkeypatch, answers, *KNOWN_BEFORE, "--statement", "statement.txt", "-o", "deotter.toml") == 0
    text = (tmp_path / "deotter.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["statement"]["text"] == "statement.txt"
    assert {fault.code for fault in _errors(text, TEXT)} == {"not-yet-read"}
    capsys.readouterr()
    assert run(["policy", "lint", "deotter.toml", "--format", "json"]) == 1
    assert all(json.loads(line)["sentence"] for line in capsys.readouterr().out.splitlines() if "not-yet-read" in line)


def test_a_wrong_answer_is_asked_again(monkeypatch, capsys):
    answers = "\n\n\n\n31-12-2025\n2025-12-31\n\naccess, flight\naccess\nsoon\nP2W\n"
    assert _asked(monkeypatch, answers) == 0
    out = capsys.readouterr()
    assert "Write a day as" in out.err
    assert "Write one of" in out.err
    assert "Write a term as" in out.err
    assert tomllib.loads(out.out)["statement"]["effective_from"] == date(2025, 12, 31)


def test_a_question_mark_shows_the_known_words(monkeypatch, capsys):
    assert _asked(monkeypatch, "\n\n\n\n\nshop\n?\ncustomer\nemail\nnewsletter\n\n\n\n\n\n") == 0
    assert "subscriber" in capsys.readouterr().err


def test_the_end_of_the_answers_is_an_interruption_and_writes_nothing(tmp_path, monkeypatch):
    assert _asked(monkeypatch, "\n", "-o", "club.toml") == 130
    assert not (tmp_path / "club.toml").exists()


def test_a_file_that_is_there_is_not_written_over(tmp_path, capsys):
    (tmp_path / "club.toml").write_text("mine", encoding="utf-8")
    assert run(["policy", "new", "club", "-o", "club.toml"]) == 2
    assert "there already" in capsys.readouterr().err
    assert (tmp_path / "club.toml").read_text(encoding="utf-8") == "mine"


def test_without_a_terminal_nothing_is_asked(capsys):
    assert run(["policy", "new", "club"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["statement"]["organisation"] == "club"
    assert run(["policy", "new"]) == 2


# --- the example ------------------------------------------------------------------------------------------------------------


def test_the_finished_example_has_no_errors_and_finds_what_was_planted(capsys):
    pack = str(DEOTTER / "deotter.toml")
    assert run(["policy", "lint", pack, "--only", "error"]) == 0
    capsys.readouterr()
    assert run(["judge", "--pack", pack, "--now", "2025-10-31", "--format", "json", str(DEOTTER / "events.jsonl")]) == 0
    found = [json.loads(line)["rule"] for line in capsys.readouterr().out.splitlines()]
    assert found == ["DEO-05", "DEO-06", "DEO-14", "DEO-09", "DEO-20", "DEO-31", "DEO-24", "DEO-35"]


# --- into a data directory ----------------------------------------------------------------------------------------------------


def test_a_pack_is_adopted_with_its_text_and_named_in_the_settings(tmp_path, capsys):
    assert run(["policy", "adopt", str(DEOTTER / "deotter.toml"), "--data", "club"]) == 0
    assert (tmp_path / "club/deotter-3.toml").read_bytes() == (DEOTTER / "deotter.toml").read_bytes()
    assert (tmp_path / "club/statement.txt").exists()
    assert tomllib.loads((tmp_path / "club/pdl.toml").read_text(encoding="utf-8"))["packs"] == ["deotter-3.toml"]
    capsys.readouterr()
    assert run(["ingest", "--data", "club", str(DEOTTER / "events.jsonl"), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"recorded": 19, "duplicate": 0, "quarantined": 0}


def test_adopting_again_changes_nothing_and_another_pack_is_added(tmp_path):
    settings_file = tmp_path / "club/pdl.toml"
    assert run(["policy", "adopt", str(DEOTTER / "deotter.toml"), "--data", "club"]) == 0
    before = settings_file.read_text(encoding="utf-8")
    assert run(["policy", "adopt", str(DEOTTER / "deotter.toml"), "--data", "club"]) == 0
    assert settings_file.read_text(encoding="utf-8") == before
    assert run(["policy", "adopt", str(ROOT / "examples/delinde/delinde.toml"), "--data", "club"]) == 0
    found = tomllib.loads(settings_file.read_text(encoding="utf-8"))
    assert found["packs"] == ["deotter-3.toml", "delinde-2.toml"]
    assert found["approval"] == "none", "what stood there stays"


def test_another_reading_of_the_same_version_must_count_up(tmp_path, capsys):
    assert run(["policy", "adopt", str(ROOT / "examples/delinde/delinde.toml"), "--data", "club"]) == 0
    text = (ROOT / "examples/delinde/delinde.toml").read_text(encoding="utf-8").replace('term = "P1Y"', 'term = "P6M"')
    mine = tmp_path / "mine.toml"
    mine.write_text(text, encoding="utf-8")
    assert run(["policy", "adopt", str(mine), "--data", "club"]) == 2
    assert "reading" in capsys.readouterr().err
    mine.write_text(text.replace("reading = 1", "reading = 2"), encoding="utf-8")
    assert run(["policy", "adopt", str(mine), "--data", "club"]) == 0
    assert 'term = "P6M"' in (tmp_path / "club/delinde-2.toml").read_text(encoding="utf-8")


def test_a_pack_with_errors_is_not_adopted(tmp_path, capsys):
    (tmp_path / "club.toml").write_text(draft(ANSWERS, TEXT, KNOWN), encoding="utf-8")
    assert run(["policy", "adopt", "club.toml", "--data", "club"]) == 1
    assert "pdl policy lint" in capsys.readouterr().err
    assert not (tmp_path / "club").exists()
