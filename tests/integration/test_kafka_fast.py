"""The extra `fast` keeps every promise of the client that it stands in for: the same tests, over the other library."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from kafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError

from tests.conftest import Pdl
from tests.integration import test_kafka_edges as edges
from tests.integration import test_kafka_exactly_once as once

pytestmark = pytest.mark.kafka


def long(module: ModuleType, name: str) -> Any:
    return pytest.param(module, name, marks=pytest.mark.slow, id=name)


def short(module: ModuleType, name: str) -> Any:
    return pytest.param(module, name, id=name)


CASES = [
    short(once, "test_every_record_is_recorded_once_over_several_runs"),
    long(once, "test_a_killed_consumer_loses_and_doubles_nothing"),
    long(once, "test_sigterm_finishes_the_batch_and_says_what_was_done"),
    long(once, "test_a_topic_made_anew_is_another_stream"),
    short(once, "test_aborted_transactions_are_never_seen"),
    long(once, "test_structured_and_binary_events_are_read_alike"),
    short(once, "test_poison_waits_in_quarantine_and_stops_nothing"),
    long(once, "test_a_missing_topic_is_said"),
    short(edges, "test_a_topic_made_anew_while_it_is_read_is_noticed"),
    long(edges, "test_an_open_transaction_is_told_and_read_when_it_ends"),
    short(edges, "test_a_header_whose_name_is_no_utf8_stops_nothing"),
]


class FastPdl(Pdl):
    """`pdl` with the other client."""

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return super()._environment({"PDL_KAFKA_CLIENT": "confluent"} | more)


@pytest.mark.parametrize(("module", "name"), CASES)
def test_the_other_client(
    module: ModuleType, name: str, tmp_path: Path, make_topic: Any, make_bodies: Any, make_event: Any
) -> None:
    pytest.importorskip("confluent_kafka")
    given = {
        "pdl": FastPdl(tmp_path / "ledger"),
        "make_topic": make_topic,
        "make_bodies": make_bodies,
        "make_event": make_event,
    }
    case: Callable[..., None] = getattr(module, name)
    case(**{one: given[one] for one in inspect.signature(case).parameters})


def test_both_clients_read_the_same_stream_under_the_same_name(
    tmp_path: Path, make_topic: Any, make_bodies: Any
) -> None:
    pytest.importorskip("confluent_kafka")
    topic, data = make_topic(partitions=2), tmp_path / "ledger"
    consume = (
        "consume",
        "--bootstrap-servers",
        topic.address,
        "--topic",
        topic.name,
        "--group",
        topic.name,
        "--until-end",
    )
    for number, kind in enumerate((Pdl, FastPdl, Pdl)):
        topic.send(make_bodies(range(number * 10, number * 10 + 10)), partition=number % 2)
        assert kind(data).json(*consume) == {"recorded": 10, "duplicate": 0, "quarantined": 0}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("TOPIC_AUTHORIZATION_FAILED", TopicAuthorizationFailedError),
        ("GROUP_AUTHORIZATION_FAILED", GroupAuthorizationFailedError),
        (None, KafkaConnectionError),
    ],
)
def test_what_the_broker_forbids_ends_the_run_and_is_not_taken_for_silence(
    broker: str, code: str | None, expected: type[Exception]
) -> None:
    theirs = pytest.importorskip("confluent_kafka")
    from consumers.kafka.fast import FastConsumer  # noqa: PLC0415 -- an extra

    class Refusing:
        """What the library answers where an account may not read; the broker of these tests has no accounts."""

        def consume(self, *_: Any) -> list[Any]:
            if code is None:
                raise theirs.KafkaException(theirs.KafkaError(theirs.KafkaError._FAIL))
            error = theirs.KafkaError(getattr(theirs.KafkaError, code))
            return [SimpleNamespace(error=lambda: error, topic=lambda: "t", partition=lambda: -1)]

    consumer = FastConsumer([broker], "group", 6_000, {})
    real, consumer._consumer = consumer._consumer, Refusing()
    try:
        with pytest.raises(expected):
            consumer.poll(timeout_ms=10, max_records=1)
    finally:
        real.close()
