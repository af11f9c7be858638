"""Kafka into the ledger, each record once: the ledger's own mark decides where to read on, not Kafka's.

A consumer group spreads the partitions. Whoever is given one seeks to the ledger's mark + 1, and the mark
moves in the transaction of the facts; so a crash, a stall or a rebalance between the two loses and doubles
nothing (ADR 2). Offsets go to Kafka afterwards, as a courtesy to lag dashboards.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import kafka
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import (
    CorruptRecordError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)
from kafka.structs import OffsetAndMetadata

from consumers.kafka.broker import listens
from consumers.kafka.client import tolerate
from consumers.kafka.watch import Batch, Unwatched, Watch
from consumers.settings import Settings
from ledger.domain.errors import BatchAlreadyRecorded, Busy, LedgerError, StoreUnavailable, Unreadable, WrongLedger
from ledger.service import Input, Receipt

T = TypeVar("T")
POLL_MS: Final = 500
PORTS: Final = 65_536
POLL_INTERVAL_MS_MAX: Final = 900_000
"""How long a batch or a judgement may take before the group thinks that we are gone."""
REACH_SECONDS_MAX: Final = 4.0
SILENCE_SECONDS: Final = 5.0
CLOSE_MS_MAX: Final = 5_000
BACKOFF_SECONDS_MAX: Final = 15.0
PARTITION_BYTES: Final = 8 * 1024 * 1024
CORRUPT: Final = (
    "Its bytes were damaged on the way. Nothing was skipped and nothing is lost: run it again; "
    "if it stays, have the topic's owner look at that offset."
)


class Sink(Protocol):
    """What this module needs of the ledger."""

    def mark(self, stream: str) -> int | None:
        """The last recorded offset of a stream; None when it was never read."""
        ...

    def record(self, inputs: Sequence[Input], stream: str, mark: int) -> Receipt:
        """Record a batch and move the mark, in one transaction."""
        ...


class Reporter(Protocol):
    """Where a person sees how it goes."""

    def advance(self, receipt: Receipt) -> None:
        """A batch was recorded."""
        ...

    def idle(self) -> None:
        """Nothing was there to read for a moment."""
        ...

    def say(self, sentence: str) -> None:
        """Something that an operator wants to know; no personal values."""
        ...


class Plan(NamedTuple):
    """What to read: `topics` at `servers` as `group`; `until_end` stops at the ends that the partitions have now."""

    servers: tuple[str, ...]
    topics: tuple[str, ...]
    group: str
    until_end: bool = False


class _HeldUp(NamedTuple):
    offset: int
    since: float
    said: bool


class Placement(NamedTuple):
    """Where to read a partition on, and a sentence where that leaves something out."""

    offset: int
    remark: str | None = None


def place(mark: int | None, begin: int, end: int, name: str) -> Placement:
    """The offset to read next from a partition that holds [begin, end), when `mark` was recorded last.

    Raises WrongLedger if the mark lies beyond the end: that partition lost records, or it is another one.
    """
    following = 0 if mark is None else mark + 1
    if following > end:
        raise WrongLedger(
            f"{name} ends before offset {end}, but this ledger recorded offset {mark} of it: the broker lost records or was "
            "restored. Nothing was read. Publish to a new topic, or restore the broker.",
        )
    if following < begin and mark is not None:
        return Placement(
            begin,
            f"{name}: Kafka removed offsets {following} to {begin - 1} before they were recorded; reading on at {begin}.",
        )
    return Placement(max(begin, following))


def reachable(servers: Iterable[str], *, seconds: float = REACH_SECONDS_MAX) -> bool:
    """Whether one of the servers (`host:port`) accepts connections."""
    return any(listens(*_address(server), seconds=seconds) for server in servers)


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < PORTS:
        raise Unreadable("--bootstrap-servers needs host:port, for example 127.0.0.1:9092.")
    return host.strip("[]"), int(port)


class _Assigned(kafka.ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python is untyped
    """Hands newly assigned partitions to the main thread; what is read of them before they have their place is dropped.

    The client calls it on its own I/O thread, where nothing may block and no database connection is ours. Nothing
    is paused here: kafka-python 3.0.12 forgets the buffers of a partition that was paused and resumed.
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._fresh: SimpleQueue[TopicPartition] = SimpleQueue()
        self.next: dict[TopicPartition, int] = {}
        """The offset behind what this process knows to be recorded."""
        self.joined = False
        """Whether the group has assigned anything, be it no partition at all."""

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        partitions = list(assigned)
        for partition in partitions:
            # A position at once, so that none is taken from Kafka's own commits.
            self._consumer.seek(partition, self.next.get(partition, 0))
        self.placed(partitions)

    def placed(self, partitions: Iterable[TopicPartition]) -> None:
        """These were assigned and have a position; where the ledger stands is looked up on the main thread."""
        self.again(partitions)
        self.joined = True

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        pass  # A batch in hand is either committed with its mark, or the next owner reads it again.

    def again(self, partitions: Iterable[TopicPartition]) -> None:
        """Place these anew: somebody else recorded them on, or their offsets went away."""
        for partition in partitions:
            self._fresh.put(partition)

    def take(self) -> set[TopicPartition]:
        """The partitions that wait for a place."""
        found = set()
        with contextlib.suppress(Empty):
            while True:
                found.add(self._fresh.get_nowait())
        return found

    def waiting(self) -> bool:
        """Whether some partition waits for a place."""
        return not self._fresh.empty()


class Consumption:
    """One run of `pdl consume`: from joining the group to leaving it.

    `stopping` is asked between batches; `wait(seconds)` sleeps unless it is time to stop.
    """

    def __init__(
        self,
        sink: Sink,
        plan: Plan,
        settings: Settings,
        report: Reporter,
        *,
        stopping: Callable[[], bool],
        wait: Callable[[float], object],
        watch: Watch | None = None,
    ) -> None:
        self._watch: Watch = watch or Unwatched()
        self._sink = sink
        self._plan = plan
        self._settings = settings
        self._report = report
        self._stopping = stopping
        self._wait = wait
        self._streams: dict[TopicPartition, str] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._held_up: dict[TopicPartition, _HeldUp] = {}
        self._heard = time.monotonic()
        self._unreachable_since: float | None = None
        self._consumer, self._identity = _connect(plan, settings)
        self._assigned = _Assigned(self._consumer)

    def run(self) -> None:
        """Read and record until told to stop, or until the ends found now. Always leaves the group.

        Raises StoreUnavailable, Unreadable (a topic that is not there) or WrongLedger.
        """
        try:
            self._find_topics()
            self._consumer.subscribe(topics=list(self._plan.topics), listener=self._assigned)
            while not self._stopping():
                batches = self._poll()
                fresh = self._place()
                for partition, records in batches.items():
                    if partition not in fresh:
                        self._record(partition, records)
                if not batches:
                    self._report.idle()
                self._look_for_stalls()
                if self._plan.until_end and self._at_end():
                    break
        except UnsupportedCodecError as exc:
            raise StoreUnavailable(
                "the topic is compressed with a codec that is not installed here; gzip needs nothing."
            ) from exc
        except CorruptRecordError as exc:
            raise StoreUnavailable(
                f"a record cannot be read by the Kafka client: {self._positions()}. {CORRUPT}"
            ) from exc
        except KafkaError as exc:
            raise StoreUnavailable(
                f"Kafka refused: {type(exc).__name__}. Nothing is lost; run it again when the broker is well."
            ) from exc
        finally:
            with contextlib.suppress(KafkaError):
                self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS_MAX)

    # -- where to read ----------------------------------------------------------------------------------------

    def _find_topics(self) -> None:
        for topic in self._plan.topics:
            partitions = self._consumer.partitions_for_topic(topic)
            if partitions:
                continue
            if self._plan.until_end:
                raise Unreadable(f"topic {topic} does not exist at this broker: create it, or mend the name.")
            self._report.say(f"topic {topic} does not exist yet; waiting for it.")
        every = [
            TopicPartition(topic, number)
            for topic in self._plan.topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        for partition in every:
            mark = self._patiently(partial(self._sink.mark, self._stream(partition)))
            self._assigned.next[partition] = 0 if mark is None else mark + 1
        if self._plan.until_end:
            self._ends = self._consumer.end_offsets(every)

    def _place(self) -> set[TopicPartition]:
        """Seek behind the ledger's marks where that is due; says where, since what was read there before is void."""
        waiting = self._assigned.take()
        fresh = waiting & self._consumer.assignment()
        if not fresh:
            return waiting
        # The marks first: whoever had a partition may still record on, and its end from before would lie behind the mark.
        marks: dict[TopicPartition, int | None] = {}
        for partition in sorted(fresh):
            stream = self._streams[partition] = self._stream(partition)
            marks[partition] = self._patiently(partial(self._sink.mark, stream))
        try:
            begins, ends = self._consumer.beginning_offsets(list(fresh)), self._consumer.end_offsets(list(fresh))
        except (KafkaTimeoutError, KafkaConnectionError):
            self._assigned.again(fresh)  # The broker is away: they wait for their place, and we for the broker.
            self._listen_to_silence(heard=False)
            return waiting
        for partition, mark in marks.items():
            name = f"topic {partition.topic}, partition {partition.partition}"
            placement = place(mark, begins[partition], ends[partition], name)
            if placement.remark:
                self._report.say(placement.remark)
            self._assigned.next[partition] = placement.offset
            with contextlib.suppress(ValueError, KeyError):  # Taken from us meanwhile.
                self._consumer.seek(partition, placement.offset)
        return waiting

    def _stream(self, partition: TopicPartition) -> str:
        """The stream id of a partition. A topic's UUID tells a topic from its successor of the same name.

        Brokers before Kafka 2.8 give no UUID; there the topic's name stands in its place.
        """
        cluster, topic_id = self._identity(partition.topic)
        return f"kafka:{cluster or 'unnamed'}:{topic_id or partition.topic}:{partition.partition}"

    def _positions(self) -> str:
        return ", ".join(
            f"topic {partition.topic}, partition {partition.partition}, offset {self._consumer.position(partition, timeout_ms=0)} or behind"
            for partition in sorted(self._consumer.assignment())
        )

    def _at_end(self) -> bool:
        if not self._assigned.joined or self._assigned.waiting():
            return False
        mine = self._consumer.assignment()
        # The position moves over aborted records and transaction markers, which no record ever shows.
        return all(
            (self._consumer.position(partition, timeout_ms=POLL_MS) or 0) >= self._ends.get(partition, 0)
            for partition in mine
        )

    # -- what was read ----------------------------------------------------------------------------------------

    def _poll(self) -> dict[TopicPartition, list[Any]]:
        try:
            batches: dict[TopicPartition, list[Any]] = self._consumer.poll(
                timeout_ms=POLL_MS, max_records=self._settings.batch_facts
            )
        except OffsetOutOfRangeError:
            # Retention overtook us, or the topic was made anew: look again where this partition stands.
            self._assigned.again(self._consumer.assignment())
            return {}
        self._listen_to_silence(heard=bool(batches))
        return batches

    def _listen_to_silence(self, *, heard: bool) -> None:
        now = time.monotonic()
        if heard:
            if self._unreachable_since is not None:
                self._watch.waiting("broker", waits=False)
            self._heard, self._unreachable_since = now, None
        if now - self._heard < SILENCE_SECONDS:
            return
        self._heard = now
        if reachable(self._plan.servers, seconds=1.0):
            if self._unreachable_since is not None:
                self._watch.waiting("broker", waits=False)
            self._unreachable_since = None
            return
        if self._unreachable_since is None:
            self._unreachable_since = now
            self._watch.waiting("broker", waits=True)
            self._report.say("the broker does not answer; waiting for it. Nothing is lost.")
        if self._plan.until_end and now - self._unreachable_since >= self._settings.kafka_patience_seconds:
            raise StoreUnavailable("the broker went away. What was read is recorded; run it again to read on.")

    def _record(self, partition: TopicPartition, records: list[Any]) -> None:
        stream = self._streams.get(partition)
        if stream is None or stream != self._stream(partition):
            # The topic was made anew while we read: another stream, from its beginning.
            self._assigned.again([partition])
            return
        inputs = [
            Input(
                place=record.offset, body=record.value or b"", headers=_headers(record.headers), topic=partition.topic
            )
            for record in records
        ]
        mark = records[-1].offset
        started = time.monotonic()
        try:
            receipt = self._patiently(lambda: self._sink.record(inputs, stream, mark))
        except BatchAlreadyRecorded:
            self._assigned.again([partition])  # Another consumer got here first; read on behind its mark.
            return
        self._assigned.next[partition] = mark + 1
        seconds, end = time.monotonic() - started, self._consumer.highwater(partition)
        lag = None if end is None else max(0, end - mark - 1)
        self._watch.batch(Batch(partition.topic, partition.partition, records[0].offset, mark, receipt, seconds, lag))
        self._report.advance(receipt)
        self._thank(partition, mark)

    def _patiently(self, act: Callable[[], T]) -> T:
        """Try until the database answers. Nothing more is read meanwhile; heartbeats keep us in the group."""
        started, pause, waits = time.monotonic(), 0.5, False
        while True:
            try:
                found = act()
            except (StoreUnavailable, Busy) as exc:
                waited = time.monotonic() - started
                if self._stopping() or (self._plan.until_end and waited >= self._settings.kafka_patience_seconds):
                    raise
                waits = True
                self._watch.waiting("store", waits=True)
                self._report.say(f"{exc} Trying again.")
                self._wait(pause)
                pause = min(2 * pause, BACKOFF_SECONDS_MAX)
            else:
                if waits:
                    self._watch.waiting("store", waits=False)
                return found

    def _look_for_stalls(self) -> None:
        """Say where nothing can be read although there is something: a transaction that stays open holds it up."""
        now = time.monotonic()
        for partition in self._consumer.assignment():
            at, end = self._assigned.next.get(partition, 0), self._consumer.highwater(partition)
            known = self._held_up.get(partition)
            try:
                here = self._consumer.position(partition, timeout_ms=0) or 0
            except KafkaTimeoutError:
                continue  # It has no place yet.
            if end is None or here >= end or known is None or known.offset != here:
                if known is not None and known.said and known.offset != here:
                    self._watch.stalled(partition.topic, partition.partition, None)
                    self._report.say(f"topic {partition.topic}, partition {partition.partition} moves again.")
                self._held_up[partition] = _HeldUp(here, now, said=False)
            elif not known.said and now - known.since >= self._settings.kafka_stall_seconds:
                self._held_up[partition] = known._replace(said=True)
                self._watch.stalled(partition.topic, partition.partition, here)
                self._report.say(
                    f"topic {partition.topic}, partition {partition.partition} stands still at offset {max(at, here)}, and {end - here} "
                    "offsets wait behind it: a producer's transaction is still open. They are read when it ends; if it never "
                    "does, abort it (kafka-transactions.sh --find-hanging)."
                )

    def _thank(self, partition: TopicPartition, mark: int) -> None:
        with contextlib.suppress(KafkaError):
            self._consumer.commit_async({partition: OffsetAndMetadata(mark + 1, "", -1)}, callback=_forget)


def _headers(headers: Iterable[tuple[str, bytes | None]] | None) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value or b"") for name, value in headers or ())


def _forget(*_: object) -> None:
    """A courtesy that fails harms nobody."""


def _connect(plan: Plan, settings: Settings) -> tuple[Any, Callable[[str], tuple[str | None, str | None]]]:
    """A client, and how it tells the cluster and a topic's UUID."""
    # The client waits ten seconds and more for a port that nobody listens on; ask first.
    if not reachable(plan.servers):
        raise StoreUnavailable(
            f"no Kafka broker answers at {', '.join(plan.servers)}: start it, or mend --bootstrap-servers."
        )
    if settings.kafka_client == "confluent":
        fast = _fast(plan, settings)
        return fast, fast.identity
    tolerate()
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=list(plan.servers),
            client_id="pdl",
            group_id=plan.group,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            max_poll_records=settings.batch_facts,
            max_partition_fetch_bytes=PARTITION_BYTES,
            session_timeout_ms=settings.kafka_session_seconds * 1000,
            heartbeat_interval_ms=max(300, settings.kafka_session_seconds * 300),
            metadata_max_age_ms=30_000,
            max_poll_interval_ms=POLL_INTERVAL_MS_MAX,
            **security(settings),
        )
    except KafkaError as exc:
        raise _no_kafka(plan, exc) from exc
    cluster = consumer._cluster  # noqa: SLF001 -- the client offers no public way to a topic's UUID
    return consumer, lambda topic: (cluster.cluster_id, cluster.topic_id(topic) and str(cluster.topic_id(topic)))


def _no_kafka(plan: Plan, error: KafkaError) -> StoreUnavailable:
    return StoreUnavailable(
        f"what listens at {', '.join(plan.servers)} does not speak Kafka with us ({type(error).__name__}): mend --bootstrap-servers "
        "or kafka_security_protocol.",
    )


def _fast(plan: Plan, settings: Settings) -> Any:
    try:
        from consumers.kafka.fast import FastConsumer  # noqa: PLC0415 -- an extra
    except ImportError as exc:
        raise Unreadable(
            "kafka_client = confluent needs the extra `fast`: pip install 'personal-data-ledger[fast]'."
        ) from exc
    try:
        return FastConsumer(plan.servers, plan.group, settings.kafka_session_seconds * 1000, security(settings))
    except KafkaError as exc:
        raise _no_kafka(plan, exc) from exc


def security(settings: Settings) -> dict[str, Any]:
    """How to speak to the broker, as the client's own options; raises Unreadable for a password file that is none."""
    asked: dict[str, Any] = {
        "security_protocol": settings.kafka_security_protocol,
        "ssl_cafile": settings.kafka_ca_file,
        "ssl_certfile": settings.kafka_certificate_file,
        "ssl_keyfile": settings.kafka_key_file,
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_user,
    }
    if settings.kafka_password_file:
        try:
            asked["sasl_plain_password"] = (
                Path(settings.kafka_password_file).read_text(encoding="utf-8").splitlines()[0]
            )
        except (OSError, IndexError) as exc:
            raise Unreadable("kafka_password_file cannot be read, or is empty.") from exc
    return {name: value for name, value in asked.items() if value is not None}


__all__ = ["Consumption", "LedgerError", "Placement", "Plan", "Reporter", "Sink", "place", "reachable", "security"]
