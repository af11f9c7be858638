"""Two versions of a statement: what changed in words, and what would change in what they find."""

import json
from datetime import date
from pathlib import Path

import pytest

from consumers.cli import run
from ledger.domain.errors import PolicyInvalid
from ledger.policy.compare import finding_changes, in_force_from, pack_changes
from ledger.policy.findings import Finding, Message
from ledger.policy.packs import builtin_ids, load_pack, pack_text, parse_pack

ROOT = Path(__file__).parents[3]
DELINDE = ROOT / "examples/delinde"
EVENTS = str(DELINDE / "events.jsonl")


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PDL_DATA", raising=False)


def _amended(*changes):
    """De Linde's pack, amended: (old, new) texts."""
    text = DELINDE.joinpath("delinde.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def _written(tmp_path, *changes):
    path = tmp_path / "amended.toml"
    path.write_text(_amended(*changes), encoding="utf-8")
    return str(path)


def _json(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- diff -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("organisation", builtin_ids())
def test_a_pack_does_not_differ_from_itself(organisation):
    assert list(pack_changes(load_pack(organisation), parse_pack(*pack_text(organisation)))) == []


@pytest.mark.parametrize(
    ("old", "new", "change", "words"),
    [
        ('term = "P1Y"', 'term = "P6M"', "changed", "term was 1 year, is now 6 months"),
        ('country = "unspecified"', 'country = "NL"', "changed", "country was unspecified, is now NL"),
        ("effective_from = 2025-01-01", "effective_from = 2026-01-01", "changed", "in force from was 2025-01-01"),
        ('allowed = ["name", "email", "phone"]', 'allowed = ["name", "phone"]', "changed", "allowed now without email"),
    ],
)
def test_a_change_is_told_in_words(old, new, change, words):
    rows = list(pack_changes(parse_pack(_amended(), "a.toml"), parse_pack(_amended((old, new)), "b.toml")))
    assert {row["change"] for row in rows} == {change}
    assert any(words in row["en"] for row in rows), rows
    assert all(row["nl"] and row["nl"] != row["en"] for row in rows)


def test_what_is_new_in_one_direction_is_gone_in_the_other():
    kcm, other = load_pack("kcm"), load_pack("directcode")
    there, back = list(pack_changes(kcm, other)), list(pack_changes(other, kcm))
    added = {(row["what"], row["id"]) for row in there if row["change"] == "added"}
    assert added
    assert added == {(row["what"], row["id"]) for row in back if row["change"] == "removed"}


def test_a_promise_that_moved_within_the_file_is_no_change():
    head, *promises = _amended().split("[[promise]]")
    moved = parse_pack(
        "[[promise]]".join([head, *reversed([f"{promise.rstrip()}\n\n" for promise in promises])]), "b.toml"
    )
    assert list(pack_changes(parse_pack(_amended(), "a.toml"), moved)) == []


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_pdl_policy_diff_speaks_in_every_format(tmp_path, capsys, form):
    amended = _written(tmp_path, ('term = "P1Y"', 'term = "P6M"'))
    assert run(["policy", "diff", str(DELINDE / "delinde.toml"), amended, "--format", form]) == 0
    assert "6 months" in capsys.readouterr().out


def test_two_packs_that_say_the_same_are_said_to(capsys):
    assert run(["policy", "diff", "kcm", "kcm"]) == 0
    assert "the same" in capsys.readouterr().out


# --- findings side by side --------------------------------------------------------------------------------------------------


def _finding(day, **more):
    fields = {
        "rule": "DEL-02", "also": (), "law": "5(1)(e)", "code": "overdue", "severity": "violation", "organisation": "delinde", "activity": "membership",
        "dataset": "members", "about": ("d-01",), "since": day, "until": None, "message": Message("nl", "en"), "person": "p",
    }  # fmt: skip
    return Finding(**{**fields, **more})


@pytest.fixture
def day():
    from datetime import UTC, datetime  # noqa: PLC0415  only here

    return lambda number: datetime(2026, 1, number, tzinfo=UTC)


def test_an_equal_finding_stays_and_a_moved_one_changes(day):
    rows, stay = finding_changes(
        [_finding(day(1)), _finding(day(2), about=("d-02",))], [_finding(day(1)), _finding(day(3), about=("d-02",))]
    )
    assert stay == 1
    assert [(row["change"], row["differs"]) for row in rows] == [("changes", ["since"])]


def test_the_same_contradiction_under_another_rule_changes_and_does_not_come_and_go(day):
    rows, _ = finding_changes([_finding(day(1))], [_finding(day(1), rule="DEL-09", severity="risk")])
    assert [(row["change"], row["differs"], row["before"]["rule"], row["after"]["rule"]) for row in rows] == [
        ("changes", ["rule", "severity"], "DEL-02", "DEL-09")
    ]


def test_twice_the_same_finding_counts_twice(day):
    rows, stay = finding_changes([_finding(day(1))] * 2, [_finding(day(1))])
    assert stay == 1
    assert [row["change"] for row in rows] == ["disappears"]


def test_another_person_is_another_contradiction(day):
    rows, _ = finding_changes([_finding(day(1))], [_finding(day(1), person="q")])
    assert sorted(row["change"] for row in rows) == ["appears", "disappears"]


def test_what_is_judged_twice_by_the_same_statement_changes_nothing(day):
    found = [_finding(day(number), about=(f"d-{number}",)) for number in range(1, 9)]
    assert finding_changes(found, list(reversed(found))) == ([], 8)


# --- try ------------------------------------------------------------------------------------------------------------------

SHORTER = ('term = "P1Y"', 'term = "P6M"')
WIDER = ('allowed = ["name", "email", "phone"]', 'allowed = ["name", "email", "phone", "birth-date"]')
LISTED = (
    "phone = {",
    'birth-date = { nl = "geboortedatum", en = "date of birth", dpv = "pd:BirthDate" }\nphone = {',
)
KEPT = ('categories = ["name", "email", "phone"]', 'categories = ["name", "email", "phone", "birth-date"]')
NOW = ["--now", "2026-06-30"]


def _tried(capsys, *arguments):
    assert run(["policy", "try", *arguments, *NOW, "--format", "json"]) == 0
    return {(row["change"], row["rule"]): row for row in _json(capsys)}


def test_a_shorter_term_makes_data_overdue_earlier(tmp_path, capsys):
    found = _tried(capsys, _written(tmp_path, SHORTER), EVENTS, "--against", str(DELINDE / "delinde.toml"))
    row = found["changes", "DEL-02"]
    assert row["differs"] == ["since"]
    assert row["before"]["since"] > row["after"]["since"]


def test_what_the_new_version_names_is_no_finding_any_more(tmp_path, capsys):
    found = _tried(capsys, _written(tmp_path, WIDER, LISTED, KEPT), EVENTS, "--against", str(DELINDE / "delinde.toml"))
    assert set(found) == {("disappears", "DEL-01")}


def test_an_organisation_without_a_statement_has_new_findings_only(capsys):
    found = _tried(capsys, str(DELINDE / "delinde.toml"), EVENTS)
    assert {change for change, _ in found} == {"appears"}


def test_a_later_version_is_tried_on_the_year_before_it_unless_a_day_is_given(tmp_path, capsys):
    later = _written(tmp_path, ("effective_from = 2025-01-01", "effective_from = 2027-01-01"), SHORTER)
    against = ["--against", str(DELINDE / "delinde.toml")]
    assert set(_tried(capsys, later, EVENTS, *against)) == {("changes", "DEL-02")}
    assert {change for change, _ in _tried(capsys, later, EVENTS, *against, "--from", "2027-01-01")} == set()


def test_two_organisations_are_not_compared(capsys):
    assert run(["policy", "try", "kcm", EVENTS, "--against", "directcode"]) == 2
    assert "two organisations" in capsys.readouterr().err


def test_without_events_and_without_a_ledger_there_is_nothing_to_try(capsys):
    assert run(["policy", "try", "kcm"]) == 2
    assert "there is no ledger" in capsys.readouterr().err


@pytest.fixture
def ledger(tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    (data / "delinde.toml").write_text(_amended(), encoding="utf-8")
    (data / "pdl.toml").write_text('packs = ["delinde.toml"]\n', encoding="utf-8")
    assert run(["--data", str(data), "ingest", EVENTS]) == 0
    capsys.readouterr()
    return data


def test_a_ledger_and_the_file_it_was_filled_from_give_the_same_trial(tmp_path, capsys, ledger):
    for changes in ((SHORTER,), (WIDER, LISTED, KEPT), ()):
        amended = _written(tmp_path, *changes)
        by_file = _tried(capsys, amended, EVENTS, "--against", str(DELINDE / "delinde.toml"))
        by_ledger = _tried(capsys, amended, "--data", str(ledger))
        assert by_file.keys() == by_ledger.keys()
        for key, row in by_file.items():
            assert row["about"] == by_ledger[key]["about"]
            assert row["since"] == by_ledger[key]["since"]


def test_a_trial_writes_nothing(tmp_path, capsys, ledger):
    assert run(["status", "--data", str(ledger)]) == 0
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in ledger.glob("log.db*")}
    _tried(capsys, _written(tmp_path, SHORTER), "--data", str(ledger))
    assert {path.name: path.read_bytes() for path in ledger.glob("log.db*")} == before


def test_a_pack_as_of_another_day_keeps_everything_else():
    pack = load_pack("kcm")
    moved = in_force_from(pack, date(2020, 1, 1))
    assert moved.effective_from == date(2020, 1, 1)
    assert [row["field"] for row in pack_changes(pack, moved)] == ["effective_from"]
    assert in_force_from(pack, pack.effective_from) is pack


def test_a_pack_that_cannot_be_read_is_told(capsys):
    with pytest.raises(PolicyInvalid):
        load_pack("nowhere.toml")
    assert run(["policy", "diff", "kcm", "nowhere.toml"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err


# --- several versions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def amended_ledger(tmp_path, capsys):
    """A ledger with two versions of De Linde's statement: the second takes effect between its events."""
    later = _written(
        tmp_path, ('version = "2"', 'version = "3"'), ("effective_from = 2025-01-01", "effective_from = 2025-06-01")
    )
    for pack in (str(DELINDE / "delinde.toml"), later):
        assert run(["policy", "adopt", pack, "--data", "data"]) == 0
    assert run(["--data", "data", "ingest", EVENTS]) == 0
    capsys.readouterr()
    return tmp_path / "data"


def test_a_correction_of_the_newest_version_leaves_the_time_before_it_as_it_was(tmp_path, capsys, amended_ledger):
    wider = _written(
        tmp_path,
        ('version = "2"', 'version = "3"'),
        ("effective_from = 2025-01-01", "effective_from = 2025-06-01"),
        WIDER,
        LISTED,
        KEPT,
    )
    assert _tried(capsys, wider, "--data", str(amended_ledger)) == {}
    found = _tried(capsys, wider, "--data", str(amended_ledger), "--from", "2025-01-01")
    assert set(found) == {("disappears", "DEL-01")}


def test_coverage_is_of_the_newest_version_and_its_time(capsys, amended_ledger):
    assert run(["policy", "coverage", "delinde", "--data", str(amended_ledger), "--format", "json"]) == 0
    out = capsys.readouterr()
    assert "version 3, since 2025-06-01" in out.err
    rows = {row["rule"]: row for row in map(json.loads, out.out.splitlines())}
    assert rows["DEL-01"]["findings"] == 0, "what was found was found under the version before"
    assert rows["DEL-02"]["judged"] > 0, "data from before are still kept"
