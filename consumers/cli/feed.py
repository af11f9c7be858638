"""`pdl ingest` and `pdl consume`: events from outside into the ledger."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

import click

from consumers.cli import UNAVAILABLE, WRONG_USE
from consumers.cli.options import data_option, format_option, opened
from consumers.cli.progress import Bar, Counts, bar, steps
from consumers.cli.render import one
from consumers.wiring import Wired
from ledger.domain.errors import Busy, StoreUnavailable, Unreadable
from ledger.service import Receipt

if TYPE_CHECKING:
    from consumers.kafka.watch import Watch

_EPOCH_SECONDS = 0.05
"""What a batch can spare for the end of an epoch: after a sweep there is much to wrap anew, and events go on coming."""
_ORDERS_SECONDS = 30.0
"""How often `pdl consume --publish-orders` looks for orders that are not out."""
_CATCH_UP_EVERY = 20_000
"""Records after which the registers follow during a long run, so that nobody waits at its end."""


class _Stopping(Exception):
    """It is time to stop, between two pages of the registers."""


class _Feed:
    """Counts receipts, moves the bar, and lets the registers follow."""

    def __init__(self, wired: Wired, shown: Bar, stopping: Callable[[], bool], orders: tuple[str, ...] = ()) -> None:
        self._wired, self._stopping = wired, stopping
        self._shown = shown
        self._behind = 0
        self._orders, self._published = orders, -_ORDERS_SECONDS
        self.counts = Counts()

    def advance(self, receipt: Receipt | None, size: int = 0) -> None:
        """A batch was recorded; None: lines that needed nothing."""
        if receipt is not None:
            self.counts.add(receipt)
            self._behind += receipt.recorded
        self._shown.moved(size, str(self.counts))
        self._tend()
        if self._behind >= _CATCH_UP_EVERY:
            self._follow(judge=False)
        self._publish_if_due()

    def idle(self) -> None:
        """Nothing came for a moment: time for the registers, the judge, and an epoch that is due."""
        self._tend()
        if self._behind:
            self._follow(judge=True)
        self._publish_if_due()

    def _publish_if_due(self) -> None:
        if self._orders and monotonic() - self._published >= _ORDERS_SECONDS:
            self.publish()

    def _tend(self) -> None:
        """Close an epoch that is due; a database that is away is the reader's to wait for."""
        try:
            self._wired.epochs.tend(self.say, seconds=_EPOCH_SECONDS)
        except (StoreUnavailable, Busy) as exc:
            self.say(f"{exc} The epoch closes later.")

    def publish(self) -> None:
        """Orders and messages of erasures that are not out yet go to the brokers, and answers that came in are counted.

        Both are decisions, so nobody else decides meanwhile: whoever comes second leaves it to the next time.
        """
        from consumers.aftercare import follow_up, publish  # noqa: PLC0415 -- only where it is asked for
        from consumers.kafka.publish import publisher  # noqa: PLC0415 -- as above

        self._published = monotonic()
        try:
            with self._wired.deciding("consume"):
                with publisher(self._orders, self._wired.settings) as through:
                    count = publish(self._wired, through)
                self._wired.registers.catch_up()
                follow_up(self._wired)
        except (StoreUnavailable, Busy) as exc:
            self.say(f"{exc} Recording goes on.")
        else:
            if count:
                self.say(f"{count} orders and messages of erasures are published.")

    def _follow(self, *, judge: bool) -> None:
        self._behind = 0
        try:
            self._wired.note_log()
            self._wired.registers.catch_up(self._unless_stopping, judge=judge)
        except _Stopping:
            return  # Registers go on where they were left; whoever waits for us to end does not wait for the judge.
        except (StoreUnavailable, Busy) as exc:
            self.say(f"{exc} Recording goes on; the registers follow later.")

    def _unless_stopping(self, _done: int, _of: int) -> None:
        if self._stopping():
            raise _Stopping

    def say(self, sentence: str) -> None:
        """Tell the operator."""
        self._shown.say(f"pdl: {sentence}")


@contextlib.contextmanager
def _stop_gently() -> Iterator[threading.Event]:
    """Turns SIGTERM and SIGINT into a wish to stop after the batch in hand."""
    stop = threading.Event()

    def wish(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, wish) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@data_option
@format_option
def ingest(files: tuple[str, ...], form: str) -> int:
    """Record events from files, one JSON event a line.

    Each line ends as recorded, duplicate or quarantined (`pdl quarantine list` says why). The same file may be
    given again at any time: what is recorded already is counted as duplicate. `-` reads standard input.

    \b
    Example:
      pdl ingest events-2026-*.jsonl
      zcat events.jsonl.gz | pdl ingest -
    """
    from consumers.files import ingest as read  # noqa: PLC0415 -- only this command needs it

    unreadable = 0
    with opened(write=True, create=True) as wired, bar("recording") as shown, _stop_gently() as stop:
        feed = _Feed(wired, shown, stop.is_set)
        for name in files:
            try:
                read(
                    name, wired.file_sink, wired.settings, advance=feed.advance, begin=shown.total, stopping=stop.is_set
                )
            except Unreadable as exc:
                unreadable += 1
                feed.say(str(exc))
    if not stop.is_set():
        _follow()
    _show(feed.counts, form)
    if stop.is_set():
        click.echo("pdl: stopped after a batch; the same command goes on from there.", err=True)
        return UNAVAILABLE
    return WRONG_USE if unreadable else 0


@click.command()
@click.option("--bootstrap-servers", required=True, metavar="HOST:PORT[,HOST:PORT...]", help="Where the brokers are.")
@click.option(
    "--topic",
    "topics",
    multiple=True,
    required=True,
    metavar="TOPIC",
    help="Topic to read; may be given several times.",
)
@click.option(
    "--group",
    metavar="GROUP",
    help="Consumer group; its members share the partitions.  [default: the setting kafka_group]",
)
@click.option(
    "--publish-orders",
    is_flag=True,
    help="Also publish what erasures ask of systems and recipients, on the topic of the setting orders_topic.",
)
@click.option(
    "--until-end", is_flag=True, help="Stop at the ends that the partitions have now, instead of waiting for more."
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Serve Prometheus metrics on this port; 0 takes a free one and says which.",
)
@click.option(
    "--metrics-host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where metrics are served; they hold no values, and yet not everybody should read them.",
)
@data_option
@format_option
def consume(
    bootstrap_servers: str,
    topics: tuple[str, ...],
    group: str | None,
    until_end: bool,
    publish_orders: bool,
    metrics_port: int | None,
    metrics_host: str,
    form: str,
) -> int:
    """Record events from Kafka topics, each once.

    Offsets are the ledger's own, committed with the events; Kafka's are set afterwards for lag dashboards only.
    SIGTERM and Ctrl-C finish the batch. A broker or disk that goes away is waited for. PDL_LOG=json logs one JSON
    object a batch.

    \b
    Example:
      pdl consume --bootstrap-servers 127.0.0.1:9092 --topic personal-data
    """
    from consumers.kafka.consume import Consumption, Plan  # noqa: PLC0415 -- the Kafka client costs 100 ms

    with (
        opened(write=True, create=True) as wired,
        _shown(wired.settings.log) as shown,
        _watch(wired.settings.log, metrics_host, metrics_port) as watch,
        _stop_gently() as stop,
    ):
        servers = tuple(part.strip() for part in bootstrap_servers.split(",") if part.strip())
        feed = _Feed(wired, shown, stop.is_set, servers if publish_orders else ())
        plan = Plan(servers, tuple(dict.fromkeys(topics)), group or wired.settings.kafka_group, until_end)
        Consumption(wired.sink, plan, wired.settings, feed, stopping=stop.is_set, wait=stop.wait, watch=watch).run()
        if publish_orders:
            feed.idle()
            feed.publish()
    if not stop.is_set():
        _follow()
    _show(feed.counts, form)
    return 0


class _Quiet:
    """Where a log tells how it goes, no bar is drawn; what an operator must know is a line of that log."""

    def total(self, size: int | None) -> None:
        """Nothing is drawn."""

    def moved(self, size: int, sentence: str) -> None:
        """Nothing is drawn."""

    def say(self, sentence: str) -> None:
        """A line of the log."""
        logging.getLogger("pdl").warning(sentence.removeprefix("pdl: "))


@contextlib.contextmanager
def _shown(log: str) -> Iterator[Bar]:
    if log == "json":
        yield _Quiet()
        return
    with bar("consuming") as shown:
        yield shown


@contextlib.contextmanager
def _watch(log: str, host: str, port: int | None) -> Iterator[Watch]:
    """Who is told what happens: the log, the metrics, both or nobody."""
    from consumers.kafka.watch import Logged, Measured, Several  # noqa: PLC0415 -- with the Kafka client

    watches: list[Watch] = []
    if log == "json":
        watches.append(Logged())
    if port is None:
        yield Several(*watches)
        return
    try:
        measured = Measured(host, port)
    except OSError as exc:
        raise StoreUnavailable(f"metrics cannot be served on {host}, port {port}: {exc.strerror}.") from exc
    click.echo(f"pdl: metrics at http://{host}:{measured.port}/metrics", err=True)
    try:
        yield Several(*watches, measured)
    finally:
        measured.close()


def _follow() -> None:
    """Let the registers catch up with the log, and judge; others may write again meanwhile."""
    with opened(write=False) as wired, bar("registers follow") as shown:
        wired.registers.catch_up(steps(shown))


def _show(counts: Counts, form: str) -> None:
    one(counts.row(), form)
    if counts.quarantined:
        click.echo("pdl: see `pdl quarantine list` for what could not be recorded, and why.", err=True)
