"""Orders to delete reach the systems over a real broker, each once, and their answers come back over it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

pytestmark = pytest.mark.kafka
ORGANISATION = "klantinfocus"


def read(address: str, topic: str) -> list[dict[str, Any]]:
    """Everything on the topic, with its key."""
    consumer = KafkaConsumer(topic, bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=3_000)
    found = [{"key": record.key.decode(), **json.loads(record.value)} for record in consumer]
    consumer.close()
    return found


def test_orders_go_out_once_and_the_answers_end_the_case(
    pdl: Any, tmp_path: Path, make_event: Callable[..., dict[str, Any]], make_topic: Any
) -> None:
    orders, facts = make_topic(), make_topic()
    file = tmp_path / "events.jsonl"
    share = make_event(1, type="pdl.data.shared.v1")
    share["data"] = {
        "organisation": ORGANISATION,
        "activity": "forms",
        "subject": {"scheme": "email", "value": "person0@canary.example"},
        "recipient": "printer-north",
        "purpose": "answer-question",
        "categories": ["email"],
        "basis": "consent",
    }
    file.write_text("".join(f"{json.dumps(event)}\n" for event in (make_event(0), share)))
    pdl.json("ingest", str(file))
    case = pdl.json("erase", "email", "person0@canary.example", "--organisation", ORGANISATION, "--reason", "request")[
        "case"
    ]
    settings = {"PDL_ORDERS_TOPIC": orders.name}
    publish = ("orders", "publish", "--bootstrap-servers", orders.address)
    assert pdl.json(*publish, **settings) == {"published": 2, "topic": orders.name}
    assert pdl.json(*publish, **settings)["published"] == 0
    order, notice = read(orders.address, orders.name)
    assert (order["id"], order["type"], order["key"]) == (f"{case}.1", "pdl.erasure.ordered.v1", case)
    assert order["data"]["order"] == f"{case}.1"
    assert (order["data"]["system"], order["data"]["subject"]["value"]) == ("crm", "person0@canary.example")
    assert (notice["data"]["notification"], notice["data"]["recipient"]) == (f"{case}.2", "printer-north")

    common = {"organisation": ORGANISATION}
    deleted = make_event(2, type="pdl.data.deleted.v1")
    deleted["data"] = common | {
        "activity": "forms",
        "subject": {"scheme": "email", "value": "person0@canary.example"},
        "system": "crm",
        "categories": ["*"],
        "order": order["id"],
    }
    told = make_event(3, type="pdl.recipient.acknowledged.v1")
    told["data"] = common | {"notification": notice["id"], "outcome": "done"}
    facts.send([json.dumps(event).encode() for event in (deleted, told)])
    pdl("case", "letter", case, "--sent")
    pdl.json(
        "consume",
        "--bootstrap-servers",
        facts.address,
        "--topic",
        facts.name,
        "--until-end",
        "--publish-orders",
        **settings,
    )
    assert pdl.rows("orders", "list") == []
    assert [row["state"] for row in pdl.rows("register", "notifications")][:2] == ["done", "done"]
    assert pdl.rows("register", "retention") == [], "nobody holds anything any more"
    pdl("case", "letter", case, status=1)
    assert len(read(orders.address, orders.name)) == 2
    certificate = tmp_path / "certificate"
    certificate.write_text(pdl("certificate", case))
    assert pdl.json("certificate", "verify", str(certificate))["ok"]
    assert f"task {case}.1 crm forms - done" in certificate.read_text()


def test_a_broker_that_is_away_leaves_the_orders_waiting(
    pdl: Any, tmp_path: Path, make_event: Callable[..., dict[str, Any]]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(make_event(0))}\n")
    pdl.json("ingest", str(file))
    pdl.json("erase", "email", "person0@canary.example", "--organisation", ORGANISATION, "--reason", "request")
    pdl("orders", "publish", "--bootstrap-servers", "127.0.0.1:1", status=3)
    assert [row["state"] for row in pdl.rows("orders", "list")] == ["prepared"]
