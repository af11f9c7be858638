"""What an operator watches while `pdl consume` runs: Prometheus metrics and structured log lines, never a value."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final, NamedTuple, Protocol

from ledger.service import Receipt

log: Final = logging.getLogger("pdl.consume")


class Batch(NamedTuple):
    """One batch of a partition that was recorded: which offsets, what became of them, how long it took, what is left."""

    topic: str
    partition: int
    first: int
    last: int
    receipt: Receipt
    seconds: float
    lag: int | None


class Watch(Protocol):
    """Who is told what happens; each may do nothing."""

    def batch(self, batch: Batch) -> None:
        """A batch was recorded."""
        ...

    def stalled(self, topic: str, partition: int, offset: int | None) -> None:
        """An open transaction holds a partition up at this offset; None: it moves again."""
        ...

    def waiting(self, what: str, *, waits: bool) -> None:
        """Reading waits for the broker or the store, or no longer."""
        ...


class Unwatched:
    """Nobody is told."""

    def batch(self, batch: Batch) -> None:
        """Nothing."""

    def stalled(self, topic: str, partition: int, offset: int | None) -> None:
        """Nothing."""

    def waiting(self, what: str, *, waits: bool) -> None:
        """Nothing."""


class Logged:
    """One line a batch, and one for each thing that stands still."""

    def batch(self, batch: Batch) -> None:
        """Offsets, counts, reasons, duration."""
        log.info(
            "batch",
            extra={
                "topic": batch.topic,
                "partition": batch.partition,
                "first": batch.first,
                "last": batch.last,
                "recorded": batch.receipt.recorded,
                "duplicate": batch.receipt.duplicate,
                "quarantined": batch.receipt.quarantined,
                "reasons": dict(Counter(problem.reason for problem in batch.receipt.problems)),
                "position": batch.receipt.position,
                "milliseconds": round(batch.seconds * 1000, 1),
                "lag": batch.lag,
            },
        )

    def stalled(self, topic: str, partition: int, offset: int | None) -> None:
        """A transaction that stays open."""
        where = {"topic": topic, "partition": partition, "offset": offset}
        log.warning("stalled" if offset is not None else "moving again", extra=where)

    def waiting(self, what: str, *, waits: bool) -> None:
        """Broker or store."""
        log.warning("waiting" if waits else "going on", extra={"for": what})


class Measured:
    """Prometheus metrics, served on a port of their own; loopback unless another address is given."""

    def __init__(self, host: str, port: int) -> None:
        from prometheus_client import (  # noqa: PLC0415 -- 40 ms, only when asked for
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            start_http_server,
        )

        registry = CollectorRegistry()
        place = ("topic", "partition")
        self._inputs = Counter("pdl_inputs", "Inputs by what became of them.", ("outcome",), registry=registry)
        self._quarantined = Counter(
            "pdl_quarantined", "Inputs that wait in quarantine, by reason.", ("reason",), registry=registry
        )
        self._implausible = Counter(
            "pdl_implausible_times", "Recorded events whose time lies in the future or long ago.", registry=registry
        )
        self._seconds = Histogram(
            "pdl_batch_seconds", "How long a batch took from read to committed.", registry=registry
        )
        self._mark = Gauge("pdl_mark", "Last recorded offset.", place, registry=registry)
        self._lag = Gauge("pdl_lag", "Offsets behind the end of the partition.", place, registry=registry)
        self._stalled = Gauge("pdl_stalled", "1: an open transaction holds the partition up.", place, registry=registry)
        self._waiting = Gauge(
            "pdl_waiting", "1: reading waits for the broker or the store.", ("what",), registry=registry
        )
        self._heard = Gauge("pdl_last_batch_timestamp_seconds", "When the last batch was recorded.", registry=registry)
        for what in ("broker", "store"):
            self._waiting.labels(what).set(0)
        for outcome in ("recorded", "duplicate", "quarantined"):
            self._inputs.labels(outcome)
        self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        self.port: Final[int] = self._server.server_port

    def batch(self, batch: Batch) -> None:
        """Counts, and where the partition stands."""
        receipt, place = batch.receipt, (batch.topic, str(batch.partition))
        for outcome, count in (
            ("recorded", receipt.recorded),
            ("duplicate", receipt.duplicate),
            ("quarantined", receipt.quarantined),
        ):
            self._inputs.labels(outcome).inc(count)
        for problem in receipt.problems:
            self._quarantined.labels(problem.reason).inc()
        self._implausible.inc(sum(receipt.implausible.values()))
        self._seconds.observe(batch.seconds)
        self._mark.labels(*place).set(batch.last)
        if batch.lag is not None:
            self._lag.labels(*place).set(batch.lag)
        self._heard.set_to_current_time()

    def stalled(self, topic: str, partition: int, offset: int | None) -> None:
        """0 or 1."""
        self._stalled.labels(topic, str(partition)).set(int(offset is not None))

    def waiting(self, what: str, *, waits: bool) -> None:
        """0 or 1."""
        self._waiting.labels(what).set(int(waits))

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Several:
    """Everyone is told."""

    def __init__(self, *watches: Watch) -> None:
        self._watches = watches

    def batch(self, batch: Batch) -> None:
        """To each."""
        for watch in self._watches:
            watch.batch(batch)

    def stalled(self, topic: str, partition: int, offset: int | None) -> None:
        """To each."""
        for watch in self._watches:
            watch.stalled(topic, partition, offset)

    def waiting(self, what: str, *, waits: bool) -> None:
        """To each."""
        for watch in self._watches:
            watch.waiting(what, waits=waits)
