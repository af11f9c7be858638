"""Who is one person: strong identifiers and stated links join; weak ones only where nobody else has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

EMAIL = {"scheme": "email", "value": "family@canary.example"}
PHONE = {"scheme": "phone", "value": "+31201234567"}


def number(value: str) -> dict[str, str]:
    return {"scheme": "customer-number", "value": value}


@pytest.fixture
def tell(pdl: Any, tmp_path: Path, make_event: Any) -> Any:
    """Ingests collections and links, in one file each."""
    count = iter(range(1000))

    def ingest(subject: dict[str, Any], kind: str = "pdl.data.collected.v1", **data: Any) -> None:
        id_ = next(count)
        time = data.pop("time", f"2026-03-01T12:00:{id_ % 60:02}+01:00")
        event = make_event(id_, type=kind, time=time)
        event["data"] |= {"subject": subject}
        if kind != "pdl.data.collected.v1":
            event["data"] = {"organisation": "klantinfocus", "subject": subject} | data
        file = tmp_path / f"{id_}.jsonl"
        file.write_text(json.dumps(event))
        assert pdl.json("ingest", str(file))["recorded"] == 1

    return ingest


def who(pdl: Any, identifier: dict[str, str]) -> tuple[int, int, list[str]]:
    """How many pseudonyms are surely the person, how many may be, and the schemes of the first."""
    found = pdl.json("subject", identifier["scheme"], identifier["value"])
    assert "canary" not in json.dumps(found)
    schemes = sorted(scheme for one in found["identities"] for scheme in one["schemes"])
    return len(found["people"]), len(found["candidates"]), schemes


def test_an_email_of_one_customer_alone_is_that_customer(pdl: Any, tell: Any) -> None:
    tell(number("K-1") | {"also": [EMAIL]})
    tell(EMAIL)
    assert who(pdl, EMAIL) == who(pdl, number("K-1")) == (2, 0, ["customer-number", "email"])


def test_an_email_that_two_customers_share_joins_nobody_and_is_said(pdl: Any, tell: Any) -> None:
    tell(number("K-1") | {"also": [EMAIL]})
    tell(number("K-2") | {"also": [EMAIL]})
    tell(EMAIL)
    assert who(pdl, number("K-1")) == (1, 2, ["customer-number"])
    assert who(pdl, EMAIL) == (1, 2, ["email"])
    shown = pdl("subject", EMAIL["scheme"], EMAIL["value"])
    assert "May be the same person" in shown
    assert len(pdl.json("subject", EMAIL["scheme"], EMAIL["value"])["trail"]) == 1


def test_a_stated_link_joins_until_it_is_taken_back(pdl: Any, tell: Any) -> None:
    tell(number("K-1"))
    tell(number("K-1-NEW"))
    assert who(pdl, number("K-1"))[0] == 1
    tell(number("K-1"), "pdl.subject.linked.v1", other=number("K-1-NEW"), evidence="ticket-1")
    assert who(pdl, number("K-1")) == who(pdl, number("K-1-NEW")) == (2, 0, ["customer-number", "customer-number"])
    tell(number("K-1"), "pdl.subject.unlinked.v1", other=number("K-1-NEW"))
    assert who(pdl, number("K-1"))[0] == who(pdl, number("K-1-NEW"))[0] == 1
    assert pdl.json("verify")["ok"], "nothing was encrypted anew"


def test_a_number_that_was_given_to_somebody_else_carries_no_erasure(pdl: Any, tell: Any) -> None:
    tell(number("K-1"))
    tell(PHONE)
    tell(number("K-1"), "pdl.subject.linked.v1", other=PHONE, until="2026-02-01")
    assert who(pdl, number("K-1")) == (1, 1, ["customer-number"])
    erased = pdl.json(
        "erase", "customer-number", "K-1", "--organisation", "klantinfocus", "--reason", "request", "--now"
    )
    assert erased["case"]
    assert len(pdl.json("subject", PHONE["scheme"], PHONE["value"])["trail"]) == 1
