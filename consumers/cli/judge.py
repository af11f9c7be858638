"""`pdl judge`: events from files or standard input against published statements, in memory: no database, no keys."""

from __future__ import annotations

import gc
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

import click
import orjson

from consumers.cli.options import MOMENT
from ledger.domain.envelope import BODY_BYTES_MAX, Envelope, Unrecordable, canonical, decode
from ledger.domain.errors import PolicyInvalid, Unreadable
from ledger.domain.facts import Fact, fact_of
from ledger.policy.findings import Finding, at, order, row
from ledger.policy.judge import judge as judged
from ledger.policy.judge import obligations
from ledger.policy.model import Packs
from ledger.policy.obligations import Obligation, begun
from ledger.policy.obligations import row as duty_row
from ledger.policy.packs import builtin_packs, load_pack

if TYPE_CHECKING:
    from ledger.policy.model import Pack

STDIN: Final = "-"
_CHUNK_BYTES: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"
_ID_SHOWN_MAX: Final = 60
_NARROW: Final = 70
"""Columns below which findings are written below each other instead of in a grid."""


class Reading:
    """What was read so far: facts by (source, id), and what cannot be judged."""

    def __init__(self, packs: dict[str, Pack], now: datetime, *, others_known: bool) -> None:
        self._packs = packs
        self._now = now
        self._others_known = others_known
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._facts: dict[tuple[str, str], Fact] = {}
        self._conflicting: set[tuple[str, str]] = set()
        self.skipped: Counter[str] = Counter()
        self.refused = 0
        self._number = 0

    def line(self, number: int, body: bytes) -> None:
        """Take one line: a fact, a repeat, or a reason on standard error, with the number of the line."""
        self._number = number
        envelope = decode(body)
        if isinstance(envelope, Unrecordable):
            self._refuse(envelope.source, envelope.id, envelope.reason, envelope.detail)
            return
        key = (envelope.source, envelope.id)
        before = self._bodies.setdefault(key, body)
        if before is not body:
            self._repeated(key, before, envelope)
            return
        organisation = envelope.data.organisation
        if organisation not in self._packs:
            if self._others_known:
                self.skipped[organisation] += 1
            else:
                self._refuse(*key, "unknown-organisation")
        elif envelope.time <= self._now:
            self._facts[key] = fact_of(envelope)

    def facts(self) -> list[Fact]:
        """The facts to judge: of the packs at hand, up to now, none of them in conflict."""
        return [fact for key, fact in self._facts.items() if key not in self._conflicting]

    def _repeated(self, key: tuple[str, str], before: bytes, again: Envelope) -> None:
        first = decode(before)
        if isinstance(first, Unrecordable) or canonical(first) == canonical(again):
            return
        if key not in self._conflicting:
            self._conflicting.add(key)
            self._refuse(*key, "conflicting-duplicate")
        self._refuse(*key, "conflicting-duplicate")

    def _refuse(self, source: str | None, id_: str | None, reason: str, detail: str | None = None) -> None:
        self.refused += 1
        told = {"line": self._number, "source": source, "id": id_, "reason": reason}
        click.echo(orjson.dumps(told if detail is None else told | {"detail": detail}).decode(), err=True)


@click.command()
@click.option(
    "--pack",
    "chosen",
    multiple=True,
    metavar="ID|FILE",
    help="Statement to judge by; may be repeated, also for versions of one. Default: all built-in ones.",
)
@click.option(
    "--now",
    type=MOMENT,
    metavar="TIME",
    help="Judge as of this moment; later events are left out. Default: the present.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "table"]),
    default="table",
    show_default=True,
    help="JSON prints one finding a line.",
)
@click.option(
    "--language",
    type=click.Choice(["nl", "en"]),
    default="en",
    show_default=True,
    help="Language of the messages in a table; JSON has both.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["violation", "risk"]),
    help="Exit with status 1 when there is such a finding, or a worse one.",
)
@click.option(
    "--obligations",
    "duties",
    is_flag=True,
    help="Print duties with a deadline instead of findings: due, fulfilled, overdue, or waived with the reason.",
)
@click.argument("events", nargs=-1, metavar="[EVENTS]...")
@click.pass_context
def judge(
    ctx: click.Context,
    chosen: tuple[str, ...],
    now: datetime | None,
    form: str,
    language: Literal["nl", "en"],
    fail_on: str | None,
    duties: bool,
    events: tuple[str, ...],
) -> None:
    """Judge a file of events against published statements, in memory.

    EVENTS are files with one JSON event a line; none, or -, is standard input. What cannot be recorded is
    told on standard error with its reason.

    Example: pdl judge --pack my.toml --now 2026-03-01 my.jsonl
    """
    if duties and fail_on is not None:
        raise click.UsageError("--fail-on is about findings; leave it out, or leave out --obligations.")
    packs, moment = _packs(chosen), moment_or_now(now)
    reading = Reading(packs, moment, others_known=bool(chosen))
    with without_collecting():
        for name in events or (STDIN,):
            for number, body in bodies(name):
                reading.line(number, body)
        owed = _obligations(packs, reading.facts(), moment) if duties else []
        found = [] if duties else _findings(packs, reading.facts(), moment)
    if reading.skipped:
        told = sum(reading.skipped.values())
        click.echo(f"pdl judge: skipped {told} event(s) of {len(reading.skipped)} other organisation(s).", err=True)
    if duties:
        _print_duties(owed, moment, form)
        return
    _print(found, form, language)
    if fail_on is not None and any(finding.severity in _AT_LEAST[fail_on] for finding in found):
        ctx.exit(1)


_AT_LEAST: Final = {"violation": {"violation"}, "risk": {"violation", "risk"}}


@contextmanager
def without_collecting() -> Iterator[None]:
    """All that is read stays until the end: looking for garbage in it would cost a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def moment_or_now(now: datetime | None) -> datetime:
    """The moment that was asked for, else the present."""
    if now is not None:
        return now
    from consumers.wiring import now as clock  # noqa: PLC0415  the clock of the house lives there

    return clock()


def _packs(chosen: Sequence[str]) -> dict[str, Pack]:
    """The packs to judge by; raises PolicyInvalid or Unreadable with what to do."""
    if not chosen:
        return dict(builtin_packs())
    found: dict[tuple[str, date], Pack] = {}
    for name in chosen:
        if not name.endswith(".toml") and "/" not in name and Path(name).is_file():
            pack = load_pack(Path(name))
        else:
            pack = load_pack(name)
        if found.setdefault((pack.organisation, pack.effective_from), pack) is not pack:
            raise PolicyInvalid(
                f"two packs of the organisation {pack.organisation!r} take effect on {pack.effective_from}; "
                "give one, or versions that take effect on different days."
            )
    return dict(Packs(found.values()))


def _obligations(packs: dict[str, Pack], facts: Sequence[Fact], now: datetime) -> list[Obligation]:
    mine: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        mine[fact.organisation].append(fact)
    return begun((row for organisation, rows in mine.items() for row in obligations(packs[organisation], rows)), now)


def _findings(packs: dict[str, Pack], facts: Sequence[Fact], now: datetime) -> list[Finding]:
    found: list[Finding] = []
    mine: dict[str, list[Fact]] = defaultdict(list)
    speaks: dict[str, set[str]] = defaultdict(set)
    for fact in facts:
        mine[fact.organisation].append(fact)
        speaks[fact.source].add(fact.organisation)
    shared = {source for source, organisations in speaks.items() if len(organisations) > 1}
    for organisation, rows in mine.items():
        others = (
            [fact for fact in facts if fact.source in shared and fact.organisation != organisation] if shared else []
        )
        found += at(judged(packs[organisation], [*rows, *others]), now)
    return sorted(found, key=order)


# --- reading ----------------------------------------------------------------------------------------------------------------


def bodies(name: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, with their numbers; of a line over the limit only its beginning."""
    with _opened(name) as file:
        number = 0
        try:
            while line := file.readline(BODY_BYTES_MAX + 2):
                body, number = line, number + 1
                while not line.endswith(b"\n") and (line := file.readline(_CHUNK_BYTES)):
                    continue
                body = body.removeprefix(_BOM) if number == 1 else body
                body = body.rstrip(b"\r\n")
                if body.strip():
                    yield number, body
        except OSError as exc:
            raise Unreadable(f"{name}: reading failed ({exc.strerror}).") from exc


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115  closed below, where errors of reading are not errors of opening
    except IsADirectoryError as exc:
        raise Unreadable(
            f"{name} is a directory; name the files in it, for example {name.rstrip('/')}/*.jsonl."
        ) from exc
    except FileNotFoundError as exc:
        raise Unreadable(f"{name} is not there; check the name.") from exc
    except PermissionError as exc:
        raise Unreadable(f"{name} may not be read by this account; change its rights or use another account.") from exc
    except (OSError, ValueError) as exc:
        raise Unreadable("a file cannot be opened; check its name.") from exc
    with file:
        yield file


# --- printing ---------------------------------------------------------------------------------------------------------------


def _print(found: Sequence[Finding], form: str, language: Literal["nl", "en"]) -> None:
    if form == "json":
        out = sys.stdout.buffer
        for finding in found:
            out.write(orjson.dumps(row(finding)) + b"\n")
        out.flush()
        return
    if not found:
        click.echo("No findings.")
        return
    _table(found, language)


def _print_duties(owed: Sequence[Obligation], now: datetime, form: str) -> None:
    rows = [duty_row(obligation, now) for obligation in owed]
    if form == "json":
        for line in rows:
            click.echo(orjson.dumps(line).decode())
        return
    if not rows:
        click.echo("No obligations.")
        return
    for line in rows:
        done = f", {line['fulfilled'][:16]}" if line["fulfilled"] else f": {line['waived']}" if line["waived"] else ""
        click.echo(
            f"{line['state']}{done}  {line['rule']} (Art. {line['law']})  {line['duty']}, due {_minute(line['due'])}"
        )
        click.echo(f"    \u2018{_harmless(line['words'])}\u2019  {_events(line['about'], _WORDS['en']['more'])}")
    counts = Counter(line["state"] for line in rows)
    click.echo(", ".join(f"{number} {state}" for state, number in sorted(counts.items())))


def _table(found: Sequence[Finding], language: Literal["nl", "en"]) -> None:
    """What a privacy officer reads: how bad, which rule, since when, what, and the words of the statement."""
    words = _WORDS[language]
    if 0 < shutil.get_terminal_size((0, 0)).columns < _NARROW:
        for finding in found:
            since = _minute(row(finding)["since"])
            click.echo(f"{words[finding.severity][0]} {finding.rule}, {words['since']} {since}")
            click.echo(f"{_harmless(getattr(finding.message, language))} {_events(finding.about, words['more'])}\n")
    else:
        _grid(found, language)
    counts = Counter[str](finding.severity for finding in found)
    click.echo(", ".join(f"{counts[name]} {words[name][counts[name] != 1]}" for name in _STYLES if counts[name]))


def _grid(found: Sequence[Finding], language: Literal["nl", "en"]) -> None:
    from rich.console import Console  # noqa: PLC0415  rich is loaded only where a table is printed
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    words = _WORDS[language]
    table = Table(show_lines=True, expand=True)
    for name in ("severity", "rule", "since"):
        table.add_column(words[name], no_wrap=True)
    table.add_column(words["finding"], ratio=1)
    for finding in found:
        shown = row(finding)
        rules = (
            finding.rule
            + (f"\n{words['also']} {', '.join(finding.also)}" if finding.also else "")
            + (f"\nArt. {finding.law}" if finding.law else "")
        )
        since = _minute(shown["since"]) + (f"\n{words['until']}\n{_minute(shown['until'])}" if shown["until"] else "")
        what = Text(_harmless(getattr(finding.message, language))).append(
            f"\n{_events(finding.about, words['more'])}", style="dim"
        )
        table.add_row(Text(words[finding.severity][0], style=_STYLES[finding.severity]), Text(rules), Text(since), what)
    Console().print(table)


_STYLES: Final[dict[str, str]] = {"violation": "bold red", "risk": "yellow", "note": "dim"}
_WORDS: Final[dict[str, dict[str, Any]]] = {
    "en": {
        "severity": "severity", "rule": "rule", "since": "since", "finding": "finding, in the words of the statement", "also": "also", "until": "made good",
        "more": "and {} more", "violation": ("violation", "violations"), "risk": ("risk", "risks"), "note": ("note", "notes"),
    },
    "nl": {
        "severity": "ernst", "rule": "regel", "since": "sinds", "finding": "bevinding, in de woorden van de verklaring", "also": "ook", "until": "hersteld",
        "more": "en nog {}", "violation": ("schending", "schendingen"), "risk": ("risico", "risico's"), "note": ("noot", "noten"),
    },
}  # fmt: skip


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _events(about: Iterable[str], more: str) -> str:
    ids = [_harmless(id_ if len(id_) <= _ID_SHOWN_MAX else f"{id_[:_ID_SHOWN_MAX]}…") for id_ in about]
    return ", ".join([*ids[:3], *([more.format(len(ids) - 3)] if len(ids) > 3 else [])])  # noqa: PLR2004  three are enough to look up


def _harmless(text: str) -> str:
    return "".join(ch if ch.isprintable() or ch == "\n" else "\ufffd" for ch in text)


if __name__ == "__main__":
    judge()
