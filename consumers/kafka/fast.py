"""The extra `fast`: the same reading over confluent-kafka (librdkafka), behind the few verbs that `Consumption` needs of a client.

Errors are those of kafka-python, and so are topic, partition and record, because everything else knows those. What it
reads must not differ in anything but time: the integration tests run on both. One difference is known: of a record with a
header whose name is no UTF-8 this library gives no header, so an event in binary mode waits in quarantine then.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Theirs
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from kafka import TopicPartition
from kafka.errors import (
    CorruptRecordError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from kafka.structs import OffsetAndMetadata

ANSWER_SECONDS: Final = 10.0
_OUT_OF_RANGE: Final = frozenset({KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET})  # noqa: SLF001 -- their name for "no such offset"
_DAMAGED: Final = frozenset({KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION})  # noqa: SLF001 -- as above
_FORBIDDEN: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: TopicAuthorizationFailedError,
    KafkaError.GROUP_AUTHORIZATION_FAILED: GroupAuthorizationFailedError,
}
_EARLIEST: Final[Any] = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: Final[Any] = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_SECURITY: Final = {
    "security_protocol": "security.protocol",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
}


class FastConsumer:
    """A consumer with the verbs of kafka-python that are used here. Raises KafkaConnectionError where nobody answers."""

    def __init__(self, servers: Iterable[str], group: str, session_ms: int, security: Mapping[str, Any]) -> None:
        common: dict[str, Any] = {
            "bootstrap.servers": ",".join(servers),
            "client.id": "pdl",
            "log_level": 2,
        } | {_SECURITY[name]: value for name, value in security.items()}
        self._admin: Any = AdminClient(common)
        self._consumer: Any = Consumer(
            common
            | {
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "allow.auto.create.topics": False,
                "enable.partition.eof": True,
                "session.timeout.ms": session_ms,
                "heartbeat.interval.ms": max(300, session_ms * 3 // 10),
                "max.poll.interval.ms": 900_000,
                "topic.metadata.refresh.interval.ms": 30_000,
                "fetch.message.max.bytes": 8 * 1024 * 1024,
            }
        )
        self._listener: Any = None
        self._positions: dict[TopicPartition, int] = {}
        self._assigned: set[TopicPartition] = set()
        self._answer(lambda: self._consumer.list_topics(timeout=ANSWER_SECONDS))

    # --- the group

    def subscribe(self, topics: list[str], listener: Any) -> None:
        """Join the group; `listener` is told what is assigned, and seeks."""
        self._listener = listener
        self._consumer.subscribe(topics, on_assign=self._take, on_revoke=self._leave, on_lost=self._leave)

    def _take(self, consumer: Any, partitions: list[Any]) -> None:
        mine = [TopicPartition(one.topic, one.partition) for one in partitions]
        self._assigned = set(mine)
        self._positions = {one: self._listener.next.get(one, 0) for one in mine}
        consumer.assign([Theirs(one.topic, one.partition, self._positions[one]) for one in mine])
        self._listener.placed(mine)

    def _leave(self, _consumer: Any, _partitions: list[Any]) -> None:
        self._assigned = set()

    def assignment(self) -> set[TopicPartition]:
        """The partitions that are ours."""
        return set(self._assigned)

    # --- reading

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        """Records by partition. Raises OffsetOutOfRangeError, CorruptRecordError, and what the broker forbids."""
        found: dict[TopicPartition, list[Any]] = {}
        for message in self._answer(lambda: self._consumer.consume(max_records, timeout_ms / 1000)):
            error = message.error()
            where = TopicPartition(message.topic(), message.partition())
            if error is None:
                found.setdefault(where, []).append(_record(message))
                self._positions[where] = message.offset() + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 -- their name for the end
                self._positions[where] = message.offset()
            elif error.code() in _OUT_OF_RANGE:
                raise OffsetOutOfRangeError
            elif error.code() in _DAMAGED:
                raise CorruptRecordError(error.name())
            elif error.code() in _FORBIDDEN:
                raise _FORBIDDEN[error.code()]
        return found

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from there. Raises ValueError for a partition that is not ours."""
        try:
            self._consumer.seek(Theirs(partition.topic, partition.partition, offset))
        except KafkaException as error:
            raise ValueError("not ours any more") from error
        self._positions[partition] = offset

    def position(self, partition: TopicPartition, timeout_ms: int = 0) -> int | None:  # noqa: ARG002 -- known without asking
        """The offset that is read next; it moves over what no record shows."""
        return self._positions.get(partition)

    def highwater(self, partition: TopicPartition) -> int | None:
        """The end of the partition, as far as it is known."""
        try:
            _, end = self._consumer.get_watermark_offsets(Theirs(partition.topic, partition.partition), cached=True)
        except KafkaException:
            return None
        return int(end) if end >= 0 else None

    # --- where things are

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """The partitions of a topic; None where there is none."""
        found = self._answer(lambda: self._consumer.list_topics(topic, timeout=ANSWER_SECONDS)).topics.get(topic)
        return set(found.partitions) if found is not None and found.error is None else None

    def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that each still has."""
        return self._offsets(partitions, _EARLIEST)

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The end of what may be read: open transactions are not part of it."""
        return self._offsets(partitions, _LATEST)

    def _offsets(self, partitions: Iterable[TopicPartition], which: Any) -> dict[TopicPartition, int]:
        asked = {Theirs(one.topic, one.partition): which for one in partitions}
        futures = self._admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED) if asked else {}
        return {
            TopicPartition(one.topic, one.partition): self._answer(partial(future.result, ANSWER_SECONDS)).offset
            for one, future in futures.items()
        }

    def identity(self, topic: str) -> tuple[str | None, str | None]:
        """The cluster, and the topic's UUID as kafka-python writes it."""
        futures = self._admin.describe_topics(TopicCollection([topic]))
        found = self._answer(lambda: futures[topic].result(ANSWER_SECONDS)).topic_id
        bits = (found.get_most_significant_bits() & _64) << 64 | found.get_least_significant_bits() & _64
        return self._consumer.cluster_id(ANSWER_SECONDS), str(uuid.UUID(int=bits))

    # --- afterwards

    def commit_async(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], callback: Any = None) -> None:  # noqa: ARG002 -- nobody waits
        """A courtesy to lag dashboards."""
        theirs = [Theirs(one.topic, one.partition, found.offset) for one, found in offsets.items()]
        try:
            self._consumer.commit(offsets=theirs, asynchronous=True)
        except KafkaException:
            return

    def close(self, **_: Any) -> None:
        """Leave the group."""
        self._consumer.close()

    @staticmethod
    def _answer(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (KafkaException, TimeoutError) as error:
            raise KafkaConnectionError(type(error).__name__) from error


_64: Final = (1 << 64) - 1


def _record(message: Any) -> SimpleNamespace:
    try:
        headers = message.headers() or []
    except (SystemError, UnicodeDecodeError):
        headers = []  # A name that is no UTF-8: this library then gives none of the headers.
    return SimpleNamespace(offset=message.offset(), value=message.value(), headers=headers)
