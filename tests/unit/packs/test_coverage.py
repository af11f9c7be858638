"""Coverage: every rule placed and judged as it says, every sentence in order, every broken citation with its place."""

import codecs
import json
from datetime import datetime
from pathlib import Path

import pytest

from consumers.cli import run
from ledger.policy.coverage import LAW, coverage, law_coverage, outcome_of
from ledger.policy.findings import at
from ledger.policy.judge import judge
from ledger.policy.packs import builtin_law, builtin_packs, load_pack
from ledger.policy.scope import judged
from tests.unit.policy.cases import fact

HERE = Path(__file__).parent
CASES = sorted((HERE.parents[1] / "golden/judge").glob("*.jsonl"))
ROOT = HERE.parents[2]
DELINDE = ROOT / "examples/delinde"
BY_ABSENCE = {"cadence", "duty", "request-clock"}
"""Kinds that find something where no event was: a control that never ran, a duty nobody triggered."""
STATUTORY = {
    "GDPR-5(2)", "GDPR-6(1)", "GDPR-7(3)", "GDPR-12(3)", "GDPR-12(4)", "GDPR-13(1)", "GDPR-14(3)", "GDPR-17(1)", "GDPR-17(3)", "GDPR-18(2)",
    "GDPR-18(3)", "GDPR-19", "GDPR-21(3)", "GDPR-28(2)", "GDPR-28(3)", "GDPR-33(1)", "GDPR-33(2)", "GDPR-34(1)", "GDPR-44",
}  # fmt: skip


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PDL_DATA", raising=False)


def _json(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- every rule ---------------------------------------------------------------------------------------------------------


def test_a_rule_that_is_judged_names_a_kind_of_promise_and_any_other_gives_its_reason():
    for pack in builtin_packs().values():
        for row in coverage(pack):
            if row["how"] in {"event", "clock", "exception"}:
                assert row["promises"], row["rule"]
            else:
                assert row["reason"], row["rule"]


def test_a_rule_judged_by_the_clock_has_a_promise_that_knows_time():
    clocks = {"retention", "minimum", "cadence", "duty", "notice", "request-clock", "triage", "statutory"}
    for row in (row for pack in builtin_packs().values() for row in coverage(pack)):
        if row["how"] == "clock":
            assert clocks.intersection(row["promises"]), row["rule"]


def test_the_articles_that_apply_under_every_statement_are_listed_too(capsys):
    rows = {row["rule"]: row for row in law_coverage(builtin_law())}
    assert set(rows) >= STATUTORY
    assert all(row["promises"] or row["how"] == "none" for row in rows.values())
    assert run(["policy", "coverage", "--format", "json"]) == 0
    printed = _json(capsys)
    assert [row["rule"] for row in printed if row["organisation"] == LAW] == list(rows)
    assert len([row for row in printed if row["organisation"] != LAW]) == 123


def test_the_law_can_be_asked_for_alone(capsys):
    assert run(["policy", "coverage", "gdpr", "--format", "json"]) == 0
    assert {row["organisation"] for row in _json(capsys)} == {LAW}


# --- the text of the statement --------------------------------------------------------------------------------------------


def _pack_and_text(tmp_path, change=lambda text: text, encoding="utf-8"):
    pack = tmp_path / "delinde.toml"
    pack.write_text(DELINDE.joinpath("delinde.toml").read_text(encoding="utf-8"), encoding="utf-8")
    text = tmp_path / "statement.txt"
    text.write_bytes(change(DELINDE.joinpath("statement.txt").read_text(encoding="utf-8")).encode(encoding))
    return str(pack), str(text)


def test_every_sentence_of_the_text_stands_in_order_with_its_rules(tmp_path, capsys):
    pack, text = _pack_and_text(tmp_path)
    assert run(["policy", "coverage", pack, "--statement", text, "--format", "json"]) == 0
    rows = _json(capsys)
    assert [row["sentence"] for row in rows] == sorted(row["sentence"] for row in rows)
    assert {row["rule"] for row in rows} - {None} == set(load_pack(pack).rules)
    whole = Path(text).read_text(encoding="utf-8")
    assert "".join("".join(dict.fromkeys(row["text"] for row in rows)).split()) == "".join(whole.split())


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: codecs.BOM_UTF8.decode() + text,
        lambda text: text.rstrip("\n"),
    ],
    ids=["CRLF", "CR", "byte order mark", "no last line end"],
)
def test_how_lines_end_makes_no_difference(tmp_path, capsys, change):
    pack, text = _pack_and_text(tmp_path)
    assert run(["policy", "coverage", pack, "--statement", text, "--format", "json"]) == 0
    expected = _json(capsys)
    pack, text = _pack_and_text(tmp_path, change)
    assert run(["policy", "coverage", pack, "--statement", text, "--format", "json"]) == 0
    assert _json(capsys) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_text_in_another_encoding_is_refused_with_the_way_to_mend_it(tmp_path, capsys, encoding):
    pack, text = _pack_and_text(tmp_path, lambda text: text + "Eén zin.\n", encoding)
    assert run(["policy", "coverage", pack, "--statement", text]) == 2
    assert "iconv" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_a_text_that_is_not_there_is_told_by_name(tmp_path, capsys, name):
    pack, _ = _pack_and_text(tmp_path)
    assert run(["policy", "coverage", pack, "--statement", name]) == 2
    assert name in capsys.readouterr().err


def test_a_citation_that_is_gone_is_told_with_file_line_and_rule(tmp_path, capsys):
    pack, text = _pack_and_text(tmp_path, lambda text: text.replace("two weeks", "three weeks"))
    assert run(["policy", "coverage", pack, "--statement", text]) == 2
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if "DEL-07" in line]
    assert lines
    for line in lines:
        number = int(line.removeprefix("pdl: ").removeprefix(f"{pack}:").partition(":")[0])
        assert "two weeks" in Path(pack).read_text(encoding="utf-8").splitlines()[number - 1]


def test_a_citation_that_stands_there_twice_is_told_with_both_lines(tmp_path, capsys):
    pack, text = _pack_and_text(tmp_path, lambda text: text + "We answer within two weeks.\n")
    assert run(["policy", "coverage", pack, "--statement", text]) == 2
    assert "2 times" in (said := capsys.readouterr().err)
    assert "lines 15, 16" in said


def test_a_citation_across_a_line_end_says_where_it_almost_is(tmp_path, capsys):
    pack, text = _pack_and_text(tmp_path, lambda text: text.replace("two weeks", "two\nweeks"))
    assert run(["policy", "coverage", pack, "--statement", text]) == 2
    assert "line 15 has them with other spaces" in capsys.readouterr().err


def test_a_changed_text_whose_citations_hold_is_told_and_shown(tmp_path, capsys):
    pack, text = _pack_and_text(tmp_path, lambda text: text + "One more sentence.\n")
    assert run(["policy", "coverage", pack, "--statement", text, "--format", "json"]) == 0
    out = capsys.readouterr()
    assert "another text" in out.err
    assert json.loads(out.out.splitlines()[-1])["rule"] is None


def test_a_sentence_without_a_rule_has_the_same_columns(tmp_path, capsys):
    pack, text = _pack_and_text(tmp_path)
    assert run(["policy", "coverage", pack, "--statement", text, "--format", "json"]) == 0
    rows = _json(capsys)
    assert {row["rule"] is None for row in rows} == {True, False}
    assert len({tuple(row) for row in rows}) == 1


# --- with data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_whatever_is_found_was_judged_by_an_event_or_missed_one(file):
    for line in file.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        now = datetime.fromisoformat(case["now"])
        facts = [found for found in map(fact, case["events"]) if found.time <= now]
        for organisation in case["packs"]:
            pack = load_pack(organisation)
            counts = judged([pack], facts)[organisation]
            rows = [*coverage(pack), *law_coverage(pack.law)]
            kinds = {row["rule"]: set(row["promises"]) for row in rows}
            for finding in at(judge(pack, facts), now):
                for rule in (finding.rule, *finding.also):
                    assert counts[rule] or kinds[rule] & BY_ABSENCE, (case["id"], rule)


def test_a_rule_that_no_event_is_about_was_judged_by_none():
    pack = load_pack("infactor")
    event = {
        "specversion": "1.0", "id": "1", "source": "/s", "type": "pdl.data.used.v1", "time": "2026-01-02T10:00:00Z",
        "data": {"organisation": "infactor", "activity": "relations", "subject": {"scheme": "email", "value": "ada@example.org", "class": "customer"},
                 "purpose": "contact", "operation": "contact", "categories": ["financial"]},
    }  # fmt: skip
    counts = judged([pack], [fact(event)])["infactor"]
    assert counts["IF-04"] == counts["IF-03"] == 1
    assert counts["IF-05"] == counts["IF-06"] == counts["IF-19"] == counts["GDPR-44"] == 0


def test_an_act_before_the_statement_took_effect_is_not_judged_and_what_is_kept_of_it_is():
    pack = load_pack("klantinfocus")
    event = {
        "specversion": "1.0", "id": "1", "source": "/s", "type": "pdl.data.collected.v1", "time": "2021-01-02T10:00:00Z",
        "data": {"organisation": "klantinfocus", "activity": "forms", "subject": {"scheme": "email", "value": "ada@example.org", "class": "enquirer"},
                 "categories": ["email"], "origin": "subject"},
    }  # fmt: skip
    counts = judged([pack], [fact(event)])["klantinfocus"]
    assert counts["KI-24"] == 1
    assert counts["KI-21"] == 0


def test_findings_count_for_every_rule_that_they_name_and_the_last_is_the_latest():
    pack = load_pack("infactor")
    case = next(
        json.loads(line)
        for file in CASES
        for line in file.read_text(encoding="utf-8").splitlines()
        if '"rule": "IF-17", "polarity": "violates"' in line or '"rule": "IF-17", "polarity": "breaks"' in line
    )
    now = datetime.fromisoformat(case["now"])
    facts = [fact(event) for event in case["events"]]
    findings = at(judge(pack, facts), now)
    outcome = outcome_of(judged([pack], facts)["infactor"], findings)
    row = {row["rule"]: row for row in coverage(pack, None, outcome)}["IF-16"]
    assert row["findings"] == sum("IF-16" in (finding.rule, *finding.also) for finding in findings) > 0
    assert row["judged"] > 0
    assert row["last"][-6:] in {"+01:00", "+02:00"}


@pytest.fixture
def ledger(tmp_path, capsys):
    """A data directory with the events of De Linde in it."""
    data = tmp_path / "data"
    data.mkdir()
    text = DELINDE.joinpath("delinde.toml").read_text(encoding="utf-8")
    (data / "delinde.toml").write_text(text, encoding="utf-8")
    (data / "pdl.toml").write_text('packs = ["delinde.toml"]\n', encoding="utf-8")
    assert run(["--data", str(data), "ingest", str(DELINDE / "events.jsonl")]) == 0
    capsys.readouterr()
    return data


def test_with_a_data_directory_coverage_says_what_came_of_each_rule(ledger, capsys):
    assert run(["policy", "coverage", "--data", str(ledger), "--format", "json"]) == 0
    rows = {row["rule"]: row for row in _json(capsys)}
    assert rows["DEL-01"]["judged"] > 0
    assert rows["DEL-01"]["findings"] == 1
    assert rows["DEL-01"]["last"].startswith("2025-04-02T15:30")
    assert rows["DEL-05"]["findings"] == 0
    assert rows["DEL-05"]["last"] is None
    assert {row["organisation"] for row in rows.values()} == {"delinde", LAW}


def test_the_data_directory_may_be_named_by_the_environment_and_the_organisation_by_its_id(ledger, capsys, monkeypatch):
    monkeypatch.setenv("PDL_DATA", str(ledger))
    assert run(["policy", "coverage", "delinde", "--format", "json"]) == 0
    assert all("judged" in row for row in _json(capsys))


def test_without_a_ledger_there_are_no_columns_of_data(capsys):
    assert run(["policy", "coverage", "kcm", "--format", "json"]) == 0
    assert not any("judged" in row for row in _json(capsys))


def test_a_data_directory_that_is_not_there_is_told(capsys, tmp_path):
    assert run(["policy", "coverage", "--data", str(tmp_path / "none")]) == 2
    assert "there is no ledger" in capsys.readouterr().err
