"""What clients set, on top of a statement: the instruction, the nearest bound, or the default that is assumed."""

import json
from pathlib import Path

import pytest

from consumers.cli import run
from ledger.policy.layers import client_layer
from ledger.policy.packs import load_pack

ROOT = Path(__file__).parents[3]


def _said(client, time="2026-01-02T10:00:00+01:00", reference=None, organisation="kcm", **parameters):
    told = {name.replace("_", "-"): value for name, value in parameters.items()}
    return {"organisation": organisation, "client": client, "reference": reference, "parameters": told, "time": time}


def _layer(*rows, organisation="kcm"):
    found = client_layer(load_pack(organisation), rows)
    return {(row["client"], row["reference"], row["parameter"]): (row["applies"], row["how"]) for row in found}


@pytest.mark.parametrize(
    ("said", "applies"),
    [
        ("P6M", ("P6M", "instructed")),
        ("P1M", ("P1M", "instructed")),
        ("P12M", ("P12M", "instructed")),
        ("P13M", ("P12M", "bound")),
        ("P1Y", ("P1Y", "instructed")),
        ("P2W", ("P1M", "bound")),
        ("P0D", ("P1M", "bound")),
    ],
)
def test_what_a_client_instructs_applies_within_the_bounds_of_the_statement(said, applies):
    assert _layer(_said("bank", retention=said))["bank", None, "retention"] == applies


def test_the_latest_instruction_counts_and_what_it_leaves_out_stays():
    rows = [
        _said("bank", retention="P2M", non_respondent_retention="P3M"),
        _said("bank", time="2026-03-01T10:00:00+01:00", retention="P4M"),
    ]
    found = _layer(*rows)
    assert found["bank", None, "retention"] == ("P4M", "instructed")
    assert found["bank", None, "non-respondent-retention"] == ("P3M", "instructed")


def test_a_client_that_instructs_nothing_has_the_default_that_the_reading_assumes():
    found = _layer(_said("bank"))
    assert found["bank", None, "retention"] == ("P1M", "assumed")
    assert found["bank", None, "non-respondent-retention"] == ("P2M", "assumed")


def test_where_the_statement_has_no_default_no_term_runs():
    found = _layer(_said("city", organisation="klantinfocus"), organisation="klantinfocus")
    assert found == {("city", None, "retention"): (None, "none")}


def test_an_assignment_has_what_was_said_of_it_alone():
    found = _layer(_said("bank", retention="P2M"), _said("bank", reference="a-1", retention="P3M"))
    assert found["bank", "a-1", "retention"] == ("P3M", "instructed")
    assert ("bank", "a-1", "non-respondent-retention") not in found


def test_the_rules_of_the_layer_are_named():
    (row, *_) = client_layer(load_pack("kcm"), [_said("bank", retention="P2M")])
    assert (row["rule"], row["also"]) == ("KCM-17", ["KCM-05"])


def test_policy_show_says_what_clients_have_set_in_the_ledger_at_hand(tmp_path, capsys):
    event = {
        "specversion": "1.0", "id": "1", "source": "/s", "type": "pdl.client.instructed.v1", "time": "2026-01-02T10:00:00Z",
        "data": {"organisation": "kcm", "client": "bank", "instruction": "configure", "parameters": {"retention": "P13M"}, "country": "NL"},
    }  # fmt: skip
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(event) + "\n", encoding="utf-8")
    assert run(["ingest", "--data", str(tmp_path / "data"), str(file)]) == 0
    capsys.readouterr()
    assert run(["policy", "show", "kcm", "--data", str(tmp_path / "data")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "bank retention: 12 months, the nearest bound, instead of 13 months (2026-01-02) [KCM-17, KCM-05]" in told
    assert run(["policy", "show", "kcm", "--data", str(tmp_path / "data"), "--format", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["clients"][0]["applies"] for row in rows if "clients" in row] == ["P12M"]
