"""`pdl demo`: a year of five organisations through the real path, and a guided tour through what the ledger knows then."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from consumers.cli import NO
from consumers.cli.progress import bar
from consumers.demo.year import PEOPLE, SEED, Hero, Message, Year
from ledger.domain.calendar import local
from ledger.domain.errors import Unreadable

if TYPE_CHECKING:
    from consumers.demo.screens import Screen
    from consumers.wiring import Wired
    from ledger.service import Receipt

DATA: Final = Path("pdl-demo")
MARKER: Final = ".made-by-pdl-demo"
STREAM: Final = "demo:year"
BATCH: Final = 2_000
REGISTERS: Final = (
    "processing",
    "collections",
    "uses",
    "disclosures",
    "consents",
    "requests",
    "retention",
    "holds",
    "erasures",
    "findings",
    "quarantine",
    "sources",
)
SERVER: Final = "postgres"
"""Folder of the demo's own PostgreSQL, in the directory of the demo."""
_TRAIL: Final = 8
_WHY: Final = "the guided tour"


class Clock:
    """The clock of the demo: while the year is played it shows when messages arrived, afterwards the present."""

    def __init__(self, present: Callable[[], datetime]) -> None:
        self._present = present
        self.shows: datetime | None = None

    def __call__(self) -> datetime:
        """What the clock shows."""
        return self.shows or self._present()


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help=f"Directory to make the demo in.  [default: ./{DATA}]",
)
@click.option("--kafka", is_flag=True, help="Send the year through a real Apache Kafka, and consume it from there.")
@click.option(
    "--bootstrap-servers",
    metavar="HOST:PORT",
    help="The broker for --kafka; else one is started for as long as the demo lasts.",
)
@click.option(
    "--postgres", is_flag=True, help="Keep log, keys and registers in a real PostgreSQL under that directory."
)
@click.option("--seed", type=int, default=SEED, show_default=True, help="Another seed tells another year.")
@click.option(
    "--people", type=click.IntRange(100, 100_000), default=PEOPLE, show_default=True, help="How many people live in it."
)
@click.option("--fresh", is_flag=True, help="Replace the demo that an earlier run made there.")
@click.option(
    "--events",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Only write the year to FILE, one event a line.",
)
@click.pass_context
def demo(
    ctx: click.Context,
    data: Path | None,
    kafka: bool,
    bootstrap_servers: str | None,
    postgres: bool,
    seed: int,
    people: int,
    fresh: bool,
    events: Path | None,
) -> int:
    """Play a year of five organisations and show what the ledger makes of it.

    People are invented; the statements are the published ones. Takes a minute or so, needs no network and no
    configuration, and leaves a ledger behind to look around in.

    \b
    Example:
      pdl demo
      pdl demo --fresh --kafka
      pdl demo --fresh --postgres
    """  # noqa: D301 -- click's own mark for a paragraph that is not wrapped
    from consumers.demo.screens import Screen  # noqa: PLC0415 -- only this command needs it
    from consumers.wiring import now  # noqa: PLC0415 -- as above

    year = Year(seed, people, local(now()).date())
    if events is not None:
        return _written(year, events)
    chosen: Path = data or ctx.find_root().obj or DATA
    prepare(chosen, fresh=fresh)
    screen = Screen()
    _welcome(screen, year, chosen)
    clock = Clock(now)
    through_kafka = kafka or bootstrap_servers is not None
    with _stores(chosen) if postgres else nullcontext():
        tally = (
            _through_kafka(chosen, year, clock, bootstrap_servers) if through_kafka else _straight(chosen, year, clock)
        )
        intact = _tour(screen, chosen, year.protagonist(), tally, clock)
    _goodbye(screen, chosen, year, year.protagonist(), as_it_came=not through_kafka)
    if postgres:
        screen.say(
            f"Its PostgreSQL is stopped. Start it for these commands, and stop it again:\n  {_server(chosen)} start\n  {_server(chosen)} stop"
        )
    return 0 if intact else NO


@contextmanager
def _stores(data: Path) -> Iterator[None]:
    """A PostgreSQL of the demo's own while it lasts, and settings that name it."""
    from consumers.postgres import postgres  # noqa: PLC0415 -- only where it is asked for
    from consumers.settings import FILE_NAME, FIRST_USE  # noqa: PLC0415 -- as above

    click.echo("PostgreSQL: starting a server for as long as the demo lasts ...", err=True)
    with postgres(None, (data / SERVER).absolute()) as url:
        named = "".join(f"{name}_database = {json.dumps(url)}\n" for name in ("log", "keys", "registers"))
        (data / FILE_NAME).write_text(f"{FIRST_USE}\n# The server of this demo.\n{named}", encoding="utf-8")
        yield


def _server(data: Path) -> str:
    """How the server of the demo is started and stopped by hand."""
    return f"{sys.executable} -m consumers.postgres {data / SERVER}"


def _written(year: Year, file: Path) -> int:
    if file.exists():
        raise Unreadable(f"{file} exists already; name a file that is not there yet.")
    with file.open("wb") as out:
        count = sum(1 for message in year if out.write(message.body + b"\n"))
    click.echo(f"{count:,} messages in {file}, some of them broken on purpose. Try `{_program()} judge {file}`.")
    return 0


def prepare(data: Path, *, fresh: bool) -> None:
    """An empty directory that the demo marked as its own. Raises Unreadable rather than touch anything else."""
    if data.is_symlink() or (data.exists() and not data.is_dir()):
        raise Unreadable(f"{data} is not a directory; name another with --data.")
    if data.is_dir() and any(data.iterdir()):
        if not (data / MARKER).is_file():
            raise Unreadable(
                f"{data} was not made by `pdl demo`, so it is left alone; name another directory with --data."
            )
        if not fresh:
            raise Unreadable(
                f"{data} holds the demo of an earlier run: look around with `pdl --data {data} status`, or play it anew with --fresh."
            )
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    (data / MARKER).write_text(
        "This directory was made by `pdl demo`; `pdl demo --fresh` removes it.\n", encoding="utf-8"
    )


# --- the year


class Tally:
    """What became of the messages, and how long it took."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter(recorded=0, duplicate=0, quarantined=0)
        self.reasons: Counter[str] = Counter()
        self._began = time.monotonic()
        self.seconds = 0.0

    def add(self, receipt: Receipt) -> None:
        """Count a batch."""
        self.outcomes.update(recorded=receipt.recorded, duplicate=receipt.duplicate, quarantined=receipt.quarantined)
        self.reasons.update(problem.reason for problem in receipt.problems)

    def stop(self) -> None:
        """Stop the clock."""
        self.seconds = time.monotonic() - self._began

    def __str__(self) -> str:
        return ", ".join(f"{number:,} {name}" for name, number in self.outcomes.items())


@contextmanager
def _opened(data: Path, clock: Clock) -> Iterator[Wired]:
    from consumers.wiring import open_ledger  # noqa: PLC0415 -- only now

    with open_ledger(data, write=True, command="demo", create=True, clock=clock) as wired:
        yield wired


def _straight(data: Path, year: Year, clock: Clock) -> Tally:
    with _opened(data, clock) as wired:
        tally = play(wired, year, clock)
        follow(wired)
    return tally


def play(wired: Wired, year: Year, clock: Clock) -> Tally:
    """Let the messages of the year arrive at the ledger, a batch at a time, each at its own moment."""
    from ledger.service import Input  # noqa: PLC0415 -- with the ledger, not before

    tally = Tally()
    sink, place = wired.sink, 0
    with bar("a year goes by") as shown:
        shown.total((year.end - year.first).days)
        day = year.first
        for messages in _batches(year):
            clock.shows = messages[-1].arrived
            inputs = [Input(place + number, message.body) for number, message in enumerate(messages)]
            place += len(inputs)
            tally.add(sink.record(inputs, STREAM, place - 1))
            reached = clock.shows.date()
            shown.moved((reached - day).days, f"{reached} · {tally.outcomes['recorded']:,} recorded")
            day = reached
    clock.shows = None
    tally.stop()
    return tally


def _batches(year: Year) -> Iterator[list[Message]]:
    batch: list[Message] = []
    for message in year:
        batch.append(message)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def follow(wired: Wired) -> None:
    """Let the registers take in the log, and judge it."""
    with bar("registers follow") as shown:
        shown.total(wired.log.size())
        before = 0

        def progress(folded: int, _of: int) -> None:
            nonlocal before
            shown.moved(max(0, folded - before), f"{folded:,} records")
            before = folded

        wired.registers.catch_up(progress)


def _through_kafka(data: Path, year: Year, clock: Clock, servers: str | None) -> Tally:
    from consumers.demo.topic import consumed, published  # noqa: PLC0415 -- the Kafka client costs 100 ms
    from consumers.kafka.broker import kafka  # noqa: PLC0415 -- as above

    click.echo(
        "Kafka: " + (f"using {servers}" if servers else "starting a broker for as long as the demo lasts ..."), err=True
    )
    with kafka(servers) as address:
        topic = published(address, year)
        tally = Tally()
        with _opened(data, clock) as wired:
            consumed(wired, address, topic, tally.add)
            tally.stop()
            follow(wired)
    return tally


# --- the tour


def _welcome(screen: Screen, year: Year, data: Path) -> None:
    screen.say("pdl demo: organisations publish a privacy statement. This shows whether they keep it.", style="bold")
    screen.say(
        f"Five published statements, {year.people:,} invented people, and everything that services reported about their data "
        f"from {year.first} to {_before(year.end)}. The ledger stands in {data}."
    )
    screen.gap()


def _before(end: date) -> date:
    return date.fromordinal(end.toordinal() - 1)


def _tour(screen: Screen, data: Path, hero: Hero, tally: Tally, clock: Clock) -> bool:
    with _opened(data, clock) as wired:
        _recorded(screen, tally)
        _known(screen, wired)
        _broken(screen, wired)
        _kept_too_long(screen, wired)
        _dossier(screen, wired, hero)
        _erased(screen, wired, hero)
        return _verified(screen, wired)


def _recorded(screen: Screen, tally: Tally) -> None:
    from consumers.demo import screens  # noqa: PLC0415 -- only now

    messages = sum(tally.outcomes.values())
    screen.heading(
        "Every message is accounted for",
        "A fact is never refused because it breaks a promise: it happened. Only what cannot be read waits in quarantine.",
    )
    screens.outcome(screen, tally.outcomes, tally.reasons)
    screen.gap()
    screen.say(
        f"{messages:,} messages in {tally.seconds:.0f} seconds: decoded, sealed per person, recorded and hashed."
    )


def _known(screen: Screen, wired: Wired) -> None:
    from consumers.demo import screens  # noqa: PLC0415 -- only now
    from projections.registers import BY_NAME  # noqa: PLC0415 -- as above

    now = wired.clock()
    screen.heading(
        "What the registers know",
        "An auditor asks; the register answers, as of any date. None of them holds a personal value.",
    )
    counts = {name: (sum(1 for _ in wired.registers.rows(name, now=now)), BY_NAME[name].help) for name in REGISTERS}
    found, sources = list(wired.registers.rows("findings", now=now)), list(wired.registers.rows("sources", now=now))
    screens.organisations(screen, wired.packs, wired.keys.people(), sources, found)
    screen.gap()
    screens.registers(screen, counts)


def _broken(screen: Screen, wired: Wired) -> None:
    from consumers.demo import screens  # noqa: PLC0415 -- only now

    found = list(wired.registers.rows("findings", now=wired.clock()))
    screen.heading(
        "Promises that were broken",
        f"Every event was judged against the statement of its organisation, sentence by sentence. These are a few of {len(found):,} findings.",
    )
    screens.findings(screen, wired.packs, found)


def _kept_too_long(screen: Screen, wired: Wired) -> None:
    from consumers.demo import screens  # noqa: PLC0415 -- only now

    screen.heading(
        "What is kept longer than promised",
        "Data stay overdue until every system that held them reports that it deleted its copy.",
    )
    screens.overdue(screen, wired.packs, list(wired.registers.rows("retention", now=wired.clock())))


def _dossier(screen: Screen, wired: Wired, hero: Hero) -> None:
    from consumers.demo import screens  # noqa: PLC0415 -- only now

    screen.heading(
        f"One person: {hero.name}",
        f"A customer of {wired.packs[hero.organisation].name} left and asked to be forgotten. Opening values takes a key, and is itself recorded.",
    )
    found, values = _opened_dossier(wired, hero)
    screens.datasets(screen, wired.packs, found["datasets"], values)
    screen.gap()
    screen.say(f"The last {_TRAIL} of {len(found['trail'])} things that happened:")
    screens.trail(screen, found["trail"], _TRAIL)
    _own_findings(screen, wired, found["people"])


def _own_findings(screen: Screen, wired: Wired, people: Sequence[str]) -> None:
    mine = [row for row in wired.registers.rows("findings", now=wired.clock()) if row["person"] in people]
    if mine:
        screen.gap()
    for row in mine:
        screen.say(f"Finding {row['rule']}: {row['message']['en']}")


def _opened_dossier(wired: Wired, hero: Hero) -> tuple[dict[str, Any], dict[str, dict[str, str] | str]]:
    """The dossier; and by dataset the last value of each category, or what became of them."""
    from consumers.cli.people import dossier, revealed  # noqa: PLC0415 -- only now
    from consumers.cli.telling import seen  # noqa: PLC0415 -- as above

    found = dossier(wired, hero.scheme, hero.value, hero.organisation)
    values: dict[str, dict[str, str] | str] = {}
    for row in revealed(wired, found, _WHY):
        for place, part in row["values"].items():
            if isinstance(part.get("outcome"), str):
                values[place] = seen(part)
                continue
            known = values.get(place)
            values[place] = (known if isinstance(known, dict) else {}) | {name: seen(one) for name, one in part.items()}
    return found, values


def _erased(screen: Screen, wired: Wired, hero: Hero) -> None:
    from consumers.cli.people import resolve  # noqa: PLC0415 -- only now
    from consumers.demo import screens  # noqa: PLC0415 -- as above

    screen.heading(
        f"{hero.name} is erased",
        "Erasing destroys the keys; the sealed bytes stay, and the evidence with them. What a law demands is kept, and named.",
    )
    people, _ = resolve(wired, hero.scheme, hero.value, hero.organisation)
    for person in people.values():
        outcome = wired.erasures.erase(hero.organisation, person, wired.standings(person), reason="request")
        screens.erasure(screen, wired.packs, hero.organisation, [row._asdict() for row in outcome.datasets])
        screen.gap()
        screen.say(f"Case {outcome.case}, {outcome.state}. The same dossier afterwards:")
    wired.registers.catch_up()
    screen.gap()
    found, values = _opened_dossier(wired, hero)
    screens.datasets(screen, wired.packs, found["datasets"], values)


def _verified(screen: Screen, wired: Wired) -> bool:
    from ledger.evidence.verify import verify  # noqa: PLC0415 -- only now
    from ledger.sealing import leaf_of  # noqa: PLC0415 -- as above

    screen.heading(
        "The log is whole",
        "Every stored byte is read again and compared with the evidence tree: an erasure leaves the proof intact, a change would not.",
    )
    wired.checkpoint()
    report = verify(
        wired.log,
        lambda record: leaf_of(record.stream, record.version, record.topic, record.state),
        keys=[wired.signer.key],
    )
    screen.say(f"{'OK' if report.ok else 'NOT OK'}: {report.events:,} records, root {report.root}")
    for problem in report.problems:
        screen.say(f"- {problem}")
    return report.ok


def _goodbye(screen: Screen, data: Path, year: Year, hero: Hero, *, as_it_came: bool) -> None:
    """What to try; `as_it_came`: messages were recorded when they arrived, not all today."""
    screen.heading(
        "Try it yourself",
        f"Everything stays in {data} until `pdl demo --fresh` replaces it. Type the commands as they stand here.",
    )
    program = _program()
    pdl = f"{program} --data {data}"
    screen.command(f"{pdl} register findings --organisation {hero.organisation}", "every finding of one organisation")
    if as_it_came:
        screen.command(
            f"{pdl} register findings --known-at {year.middle}",
            "what was known half a year ago, by the clock of that day",
        )
    screen.command(
        f"{pdl} register retention --format csv > retention.csv",
        "until when everything is kept, and by which sentence, for a spreadsheet",
    )
    screen.command(f"{pdl} subject {hero.scheme} {hero.value}", "the dossier above, without values")
    screen.command(f"{pdl} retention due", "what the ledger itself should erase by now")
    screen.command(f"{pdl} quarantine list", "what could not be recorded, and what to do about it")
    screen.command(f"{program} policy show {hero.organisation}", "a statement as the ledger reads it")
    screen.command(f"{program} policy new my-organisation > my-organisation.toml", "begin with a statement of your own")
    screen.command(
        f"{program} demo --events year.jsonl && {program} judge year.jsonl",
        "judge a file of events in memory; nothing is stored",
    )


def _program() -> str:
    """How `pdl` is called from here: by its name if that is found, else as it was called now."""
    called = Path(sys.argv[0])
    return str(called) if shutil.which("pdl") is None and called.name == "pdl" else "pdl"
