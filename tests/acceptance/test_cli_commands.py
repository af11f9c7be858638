"""Every command of the contract: what it prints as JSON, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from consumers.cli import SECTIONS, cli
from ledger.evidence.note import open_checkpoint, parse_verifier
from ledger.evidence.proof import verify_proof

PERSON = "person1@canary.example"
ORGANISATION = "klantinfocus"


@pytest.fixture
def ledger(pdl: Any, tmp_path: Path, make_event: Callable[..., dict[str, Any]]) -> Any:
    """A ledger with ten collections of ten people, one share and one input in quarantine."""
    events = [make_event(number) for number in range(10)]
    share = make_event(10, type="pdl.data.shared.v1")
    share["data"] = {
        "organisation": ORGANISATION,
        "activity": "forms",
        "subject": {"scheme": "email", "value": PERSON},
        "recipient": "unheard-of-company",
        "purpose": "answer-question",
        "categories": ["email"],
        "basis": "consent",
    }
    contract = make_event(11, type="pdl.contract.signed.v1")
    contract["data"] = {
        "organisation": ORGANISATION,
        "reference": "c-1",
        "party": "unheard-of-company",
        "kind": "processor",
        "from": "2026-01-01",
    }
    file = tmp_path / "events.jsonl"
    file.write_text("".join(f"{json.dumps(event)}\n" for event in (*events, share, contract)) + "{broken\n")
    pdl.json("ingest", str(file))
    return pdl


def test_ingest_counts_what_became_of_each_line(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(make_bodies(range(3))))
    assert pdl.json("ingest", str(file)) == {"recorded": 3, "duplicate": 0, "quarantined": 0}
    assert pdl.json("ingest", str(file)) == {"recorded": 0, "duplicate": 3, "quarantined": 0}


def test_first_use_says_what_approval_and_alone_are(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(make_bodies(range(3))))
    pdl.json("ingest", str(file))
    assert "approval = none" in pdl.said
    assert "alone = true" in pdl.said
    assert {entry.name.removesuffix("-wal").removesuffix("-shm") for entry in pdl.data.iterdir()} <= {
        "log.db",
        "registers.db",
        "keys.db",
        "root",
        "erasures.journal",
        "pdl.toml",
        "lock",
    }


def test_status_accounts_for_every_input(ledger: Any) -> None:
    status = ledger.json("status")
    assert (status["events"], status["decisions"], status["quarantined"], status["duplicates"]) == (12, 0, 1, 0)
    assert status["people"] == 10
    marks = {name.partition(":")[0]: state for name, state in status["sources"].items()}
    assert marks["file"]["mark"] == 12
    assert marks["file"]["last_heard"]
    assert {"findings", "retention", "disclosures"} <= status["registers"].keys()
    assert all(state == {"mark": 12, "lag": 0} for state in status["registers"].values())


def test_a_register_prints_rows_in_every_format(ledger: Any) -> None:
    rows = ledger.rows("register", "collections", "--organisation", ORGANISATION)
    assert rows
    assert all(row["organisation"] == ORGANISATION for row in rows)
    assert ledger("register", "collections", "--format", "csv").splitlines()[0].startswith("organisation")
    assert ORGANISATION in ledger("register", "collections")
    assert ledger.rows("register", "collections", "--organisation", "kcm") == []


def test_registers_know_what_was_true_and_what_was_known(ledger: Any) -> None:
    assert ledger.rows("register", "collections", "--as-of", "2026-02-01") == []
    assert ledger.rows("register", "collections", "--known-at", "2026-03-02") == []
    assert ledger.rows("register", "collections", "--as-of", "2026-03-01")


def test_a_register_shows_the_name_of_a_company_that_no_pack_lists(ledger: Any) -> None:
    assert {row["recipient"] for row in ledger.rows("register", "disclosures")} == {"unheard-of-company"}


def test_registers_are_listed_and_an_unknown_one_is_refused(ledger: Any) -> None:
    assert {"register", "shows"} == ledger.rows("register")[0].keys()
    ledger("register", "nonsense", status=2)
    assert "name one of" in ledger.said
    ledger("register", "findings", "--organisation", "nobody", status=2)


def test_subject_shows_datasets_and_trail_without_values(ledger: Any) -> None:
    found = ledger.json("subject", "email", PERSON)
    assert len(found["people"]) == 1
    (dataset,) = (row for row in found["datasets"] if row["dataset"] == "forms")
    assert dataset["organisation"] == ORGANISATION
    assert dataset["activity"] == "forms"
    assert dataset["state"] == "live"
    assert dataset["due"].startswith("2028-03-02")
    assert [row["type"] for row in found["trail"]] == ["pdl.data.collected.v1", "pdl.data.shared.v1"]
    assert found["trail"][0]["values"]["forms/forms"]["outcome"] == "withheld"
    assert PERSON not in json.dumps(found)


def test_subject_reveals_values_for_a_reason_that_is_recorded_first(ledger: Any) -> None:
    ledger("subject", "email", PERSON, "--reveal", status=2)
    assert "--reason" in ledger.said
    before = ledger.json("status")["decisions"]
    found = ledger.json("subject", "email", PERSON, "--reveal", "--reason", "she asked for a copy")
    assert found["trail"][0]["values"]["forms/forms"] == {
        "email": {"outcome": "value", "value": PERSON},
        "message": {"outcome": "value", "value": "please call"},
    }
    assert ledger.json("status")["decisions"] == before + 1
    assert all(b"she asked for a copy" not in file.read_bytes() for file in ledger.data.rglob("*") if file.is_file())


def test_subject_that_nobody_knows_is_a_no(ledger: Any) -> None:
    out = ledger("subject", "email", "stranger@canary.example", "--format", "json", status=1)
    assert json.loads(out) == {
        "people": [],
        "datasets": [],
        "trail": [],
        "erased": [],
        "identities": [],
        "candidates": [],
    }


def test_a_value_may_come_from_standard_input(ledger: Any) -> None:
    out = ledger("subject", "email", "-", "--format", "json", stdin=f"{PERSON}\n")
    assert len(json.loads(out)["people"]) == 1


def test_rehearsing_an_erasure_touches_nothing(ledger: Any) -> None:
    arguments = ("erase", "email", PERSON, "--organisation", ORGANISATION, "--reason", "request")
    answer = ledger.json(*arguments, "--rehearse")
    assert (answer["case"], answer["state"]) == (None, "erased")
    assert ledger.json("status")["decisions"] == 0
    assert ledger.json("subject", "email", PERSON)["datasets"][0]["state"] == "live"


def test_erasing_a_person_leaves_nobody_behind(ledger: Any) -> None:
    arguments = ("erase", "email", PERSON, "--organisation", ORGANISATION, "--reason", "request")
    answer = ledger.json(*arguments)
    assert answer["state"] == "erased"
    assert answer["case"].startswith("case-")
    assert {"dataset": "forms", "outcome": "erased", "statute": None}.items() <= answer["datasets"][0].items()
    assert answer["systems"] == ["crm"]
    assert answer["recipients"] == ["unheard-of-company"]
    found = json.loads(ledger("subject", "email", PERSON, "--format", "json"))
    assert (found["people"], found["datasets"]) == ([], [])
    assert [row["organisation"] for row in found["erased"]] == [ORGANISATION]
    assert ledger.json("verify")["ok"]
    assert ledger.json(*arguments)["state"] == "nothing-held"


def test_erasing_one_dataset_leaves_the_dossier(ledger: Any) -> None:
    answer = ledger.json(
        "erase",
        "email",
        PERSON,
        "--organisation",
        ORGANISATION,
        "--dataset",
        "forms",
        "--reason",
        "withdrawal",
        "--now",
    )
    assert answer["state"] == "erased"
    ledger(
        "erase",
        "email",
        PERSON,
        "--organisation",
        ORGANISATION,
        "--dataset",
        "nonsense",
        "--reason",
        "request",
        status=2,
    )
    assert "forms/forms" in ledger.said


def test_a_hold_refuses_an_erasure_and_names_the_statute(ledger: Any) -> None:
    place = ("hold", "place", "email", PERSON, "--organisation", ORGANISATION, "--reference", "claim-7")
    (placed,) = ledger.rows(*place, "--statute", "claim of 2026")
    assert placed["outcome"] == "recorded"
    arguments = ("erase", "email", PERSON, "--organisation", ORGANISATION, "--reason", "request", "--format", "json")
    answer = json.loads(ledger(*arguments, status=1))
    assert answer["state"] == "refused"
    assert [(row["outcome"], row["statute"]) for row in answer["datasets"]] == [("held", "claim of 2026")]
    assert ledger.json("subject", "email", PERSON)["datasets"][0]["state"] == "held"
    ledger.rows("hold", "release", "email", PERSON, "--organisation", ORGANISATION, "--reference", "claim-7")
    assert json.loads(ledger(*arguments))["state"] == "erased"


def test_retention_lists_what_is_due_and_sweeps_it(ledger: Any) -> None:
    assert ledger.rows("retention", "due", "--now", "2027-01-01") == []
    due = ledger.rows("retention", "due", "--now", "2028-06-01")
    assert len(due) == 10
    assert {row["rule"] for row in due} == {"KI-24"}
    swept = ledger.rows("retention", "sweep", "--now", "2028-06-01")
    assert {row["outcome"] for row in swept} == {"erased"}
    status = ledger.json("status")
    assert status["people"] == 0
    assert ledger.rows("retention", "sweep", "--now", "2028-06-01") == []
    assert ledger.json("status")["decisions"] == status["decisions"] + 1, (
        "that the check was done is recorded each time"
    )
    assert len(ledger.rows("retention", "due", "--now", "2028-06-01")) == 10, "the system has not reported its deletion"


def test_verify_says_yes_with_the_root(ledger: Any) -> None:
    found = ledger.json("verify")
    assert (found["ok"], found["events"], found["first_bad"], found["problems"]) == (True, 12, None, [])
    assert found["root"]


def test_checkpoint_key_and_proof_hold_offline(ledger: Any) -> None:
    key = parse_verifier(ledger("key"))
    note = ledger("checkpoint")
    assert open_checkpoint(note, key).size == 12
    assert ledger("checkpoint") == note
    proven = verify_proof(ledger("prove", "e-3"), key)
    assert proven.index == 3
    assert b'"id":"e-3"' in proven.leaf
    assert b"canary" not in proven.leaf
    ledger("prove", "no-such-event", status=1)


def test_quarantine_lists_shows_and_retries(ledger: Any) -> None:
    (row,) = ledger.rows("quarantine", "list")
    assert (row["number"], row["reason"], row["offset"], row["state"]) == (1, "undecodable", 12, "waiting")
    assert "content" not in ledger.json("quarantine", "show", "1")
    assert ledger.json("quarantine", "show", "1", "--reveal", "--reason", "mend it")["content"] == "{broken"
    assert ledger.json("status")["decisions"] == 1, "that it was seen is recorded"
    out = ledger("quarantine", "retry", "--format", "json", status=1)
    assert json.loads(out) == {"number": 1, "outcome": "waiting"}
    ledger("quarantine", "show", "7", status=2)
    ledger("quarantine", "discard", "1", status=2)
    assert "--reason" in ledger.said
    assert ledger.rows("quarantine", "discard", "1", "--reason", "a test") == [{"number": 1, "outcome": "discarded"}]
    assert ledger.rows("quarantine", "list") == []
    assert ledger.rows("quarantine", "list", "--all")[0]["state"] == "discarded"
    ledger("quarantine", "show", "1", "--reveal", "--reason", "too late", status=2)
    assert ledger.json("verify")["ok"]


def test_rebuilt_registers_are_the_same(ledger: Any) -> None:
    before = {name: ledger.rows("register", name) for name in ("findings", "retention", "collections")}
    assert {row["lag"] for row in ledger.rows("rebuild")} == {0}
    assert {name: ledger.rows("register", name) for name in before} == before
    ledger("rebuild", "nonsense", status=2)


def test_schema_lists_types_and_prints_one(pdl: Any) -> None:
    types = pdl.rows("schema")
    assert "pdl.data.collected.v1" in {row["type"] for row in types}
    assert json.loads(pdl("schema", "pdl.data.collected.v1"))["title"] == "pdl.data.collected.v1"
    assert json.loads(pdl("schema", "data.collected"))["title"] == "pdl.data.collected.v1"
    pdl("schema", "nonsense", status=2)


def test_the_data_directory_may_be_named_on_either_side(ledger: Any, tmp_path: Path) -> None:
    for arguments in (("--data", str(ledger.data), "status"), ("status", "--data", str(ledger.data))):
        assert ledger.json(*arguments, PDL_DATA=str(tmp_path / "nowhere"))["events"] == 12


def test_a_command_that_is_misspelt_is_guessed(pdl: Any) -> None:
    pdl("statsu", status=2)
    assert "Did you mean status?" in pdl.said
    pdl("status", "--fromat", "json", status=2)
    assert "Did you mean --format?" in pdl.said


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    found: dict[tuple[str, ...], click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found[(*path, name)] = command
        if isinstance(command, click.Group):
            found |= commands(command, (*path, name))
    return found


def test_every_command_has_help_with_an_example() -> None:
    lacking = [" ".join(path) for path, command in commands().items() if "pdl " not in (command.help or "")]
    assert lacking == []


def test_the_overview_says_what_each_command_says_of_itself() -> None:
    found = commands()
    briefs = {name: brief for section in SECTIONS.values() for name, (_, brief) in section.items()}
    assert {name: (found[(name,)].help or "").partition("\n")[0] for name in briefs} == briefs
