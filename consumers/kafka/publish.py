"""Orders to systems and messages to recipients on a Kafka topic: acknowledged by every replica, or said to be undelivered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from consumers.aftercare import Message
from consumers.kafka.consume import reachable, security
from consumers.settings import Settings
from ledger.domain.errors import StoreUnavailable

WAIT_SECONDS: Final = 30.0
_HEADERS: Final = [("content-type", b"application/cloudevents+json")]


class KafkaPublisher:
    """Sends each message under its case as key, so that those of one case keep their order."""

    def __init__(self, producer: KafkaProducer, topic: str) -> None:
        self._producer, self._topic = producer, topic

    def send(self, messages: Sequence[Message]) -> None:
        """Send, and wait until the broker has all of them."""
        try:
            sent = [
                self._producer.send(self._topic, message.body, key=message.case.encode(), headers=_HEADERS)
                for message in messages
            ]
            for one in sent:
                one.get(timeout=WAIT_SECONDS)
        except KafkaError as error:
            raise StoreUnavailable(
                f"topic {self._topic} did not take the orders ({type(error).__name__}); they wait, run it again"
            ) from error


@contextlib.contextmanager
def publisher(servers: Sequence[str], settings: Settings) -> Iterator[KafkaPublisher]:
    """A publisher on the topic of the settings; raises StoreUnavailable where no broker answers."""
    if not reachable(tuple(servers)):
        raise StoreUnavailable(
            f"no Kafka broker answers at {', '.join(servers)}: start it, or mend --bootstrap-servers."
        )
    try:
        producer = KafkaProducer(
            bootstrap_servers=list(servers),
            client_id="pdl-orders",
            acks="all",
            enable_idempotence=True,
            max_block_ms=int(WAIT_SECONDS * 1000),
            **security(settings),
        )
    except KafkaError as error:
        raise StoreUnavailable(
            f"what listens at {', '.join(servers)} does not speak Kafka with us ({type(error).__name__})."
        ) from error
    try:
        yield KafkaPublisher(producer, settings.orders_topic)
    finally:
        producer.close(timeout=WAIT_SECONDS)
