"""`pdl policy diff` and `pdl policy try`: what changed between two statements, and what would change in what they find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final, cast

import click

from consumers.cli import render
from consumers.cli.judge import Reading, bodies, moment_or_now, without_collecting
from consumers.cli.options import MOMENT, data_option, format_option
from consumers.cli.statements import AtHand, at_hand, language_option, sources, wrapped
from ledger.domain.errors import PolicyInvalid
from ledger.domain.facts import Fact
from ledger.policy.compare import Tongue, finding_changes, in_force_from, noun, pack_changes
from ledger.policy.findings import at
from ledger.policy.judge import judge
from ledger.policy.model import Pack


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@language_option
@data_option
@format_option
def diff(before: str, after: str, language: str, form: str) -> None:
    """Say what changed from pack A to pack B: rules, terms, data, recipients; ids or .toml files.

    \b
    Example:
      pdl policy diff my-organisation-1.toml my-organisation-2.toml
    """
    ((old,), (new,)) = (sources(before), sources(after))
    rows = list(pack_changes(old.pack, new.pack))
    if form != "table":
        render.rows(rows, form)
        return
    tongue = cast("Tongue", language)
    for what, group in groupby(rows, key=lambda row: str(row["what"])):
        click.echo(noun(what, tongue))
        for row in group:
            wrapped(f"  {_SIGNS[row['change']]} ", row[language].removeprefix(f"{noun(what, tongue)} "))
    counts = Counter(row["change"] for row in rows)
    told = ", ".join(f"{counts[name]} {name}" for name in _SIGNS if counts[name])
    click.echo(told or "The two packs say the same.")


_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}


@click.command("try")
@click.argument("pack", metavar="PACK")
@click.argument("events", nargs=-1, metavar="[EVENTS]...")
@click.option("--against", metavar="ID|FILE", help="Statement to compare with. Default: the one in force.")
@click.option("--now", type=MOMENT, metavar="TIME", help="Judge as of this moment. Default: the present.")
@click.option(
    "--from",
    "since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="First day on which PACK binds in the trial. Default: the day from which the other binds.",
)
@language_option
@data_option
@format_option
def try_(
    pack: str,
    events: tuple[str, ...],
    against: str | None,
    now: datetime | None,
    since: datetime | None,
    language: str,
    form: str,
) -> None:
    """Judge by PACK what was judged by another version: which findings would appear, disappear or change.

    EVENTS are files with one JSON event a line, or - for standard input; none: what the ledger has recorded (--data,
    PDL_DATA, or ./pdl-data). Nothing is written. PACK is judged as if it had been in force from the same day as the
    other, so that an amendment can be tried on the year before it; what was in force before that day stays so.

    \b
    Examples:
      pdl policy try my-organisation-2.toml events.jsonl
      pdl policy try my-organisation-2.toml --data /var/lib/pdl --format json
    """
    with at_hand(needed=not events) as wired:
        (candidate,) = sources(pack)
        current = _current(candidate.pack, against, wired)
        moment = moment_or_now(now)
        day = since.date() if since is not None else (current or candidate.pack).effective_from
        if day != candidate.pack.effective_from:
            click.echo(
                f"pdl: judged as if it had been in force from {day}; its own day is {candidate.pack.effective_from}.",
                err=True,
            )
        trial = in_force_from(candidate.pack, day, () if current is None else (*current.earlier, current))
        if events:
            facts = _facts(candidate.pack, events, moment)
            before = [] if current is None else at(judge(current, facts), moment)
            after = at(judge(trial, facts), moment)
        else:
            assert wired is not None  # noqa: S101 -- asked for above
            before = [] if current is None else wired.tried(current, moment)
            after = wired.tried(trial, moment)
    rows, stay = finding_changes(before, after)
    if form == "table":
        _draw(rows, stay, language)
    else:
        render.rows(rows, form)


def _current(candidate: Pack, against: str | None, wired: AtHand | None) -> Pack | None:
    """The statement that is in force; None where the organisation has none yet."""
    if against is not None:
        (source,) = sources(against, wired)
        if source.pack.organisation != candidate.organisation:
            message = (
                f"the statements are of two organisations, {source.pack.organisation} and {candidate.organisation}; "
                "compare two versions of one, or use pdl policy diff."
            )
            raise PolicyInvalid(message)
        return source.pack
    found = {source.pack.organisation: source.pack for source in sources(None, wired)}
    if candidate.organisation not in found:
        click.echo(
            f"pdl: no statement of {candidate.organisation} is in force here; every finding is new. "
            "Name another version with --against.",
            err=True,
        )
    return found.get(candidate.organisation)


def _facts(pack: Pack, events: Sequence[str], now: datetime) -> list[Fact]:
    reading = Reading({pack.organisation: pack}, now, others_known=True)
    with without_collecting():
        for name in events:
            for number, body in bodies(name):
                reading.line(number, body)
    if reading.skipped:
        told = sum(reading.skipped.values())
        click.echo(f"pdl: skipped {told} event(s) of {len(reading.skipped)} other organisation(s).", err=True)
    return reading.facts()


_TOLD: Final = {
    "en": {"appears": "appears", "disappears": "disappears", "changes": "changes"},
    "nl": {"appears": "komt erbij", "disappears": "vervalt", "changes": "verandert"},
}


def _draw(rows: Iterable[Mapping[str, Any]], stay: int, language: str) -> None:
    counts = Counter[str]()
    for row in rows:
        counts[row["change"]] += 1
        click.echo(
            f"{_TOLD[language][row['change']]:<10}  {row['severity']:<9}  {row['rule']}, since {row['since'][:16].replace('T', ' ')}"
        )
        wrapped("            ", row["message"][language])
        for name in row["differs"]:
            wrapped("            ", f"{name}: {_shown(row['before'][name])} -> {_shown(row['after'][name])}")
        wrapped("            ", _events(row["about"]))
    sums, nothing, stayed = _SUMS[language]
    told = ", ".join(f"{counts[name]} {word}" for name, word in sums.items() if counts[name])
    click.echo(f"{told or nothing}; {stay} {stayed}")


_SUMS: Final = {
    "en": (
        {"appears": "would appear", "disappears": "would disappear", "changes": "would change"},
        "Nothing changes",
        "finding(s) stay as they are.",
    ),
    "nl": (
        {"appears": "zou erbij komen", "disappears": "zou vervallen", "changes": "zou veranderen"},
        "Er verandert niets",
        "bevinding(en) blijven gelijk.",
    ),
}


def _events(about: Sequence[str]) -> str:
    shown = about[:_EVENTS_SHOWN]
    more = len(about) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])])


_EVENTS_SHOWN: Final = 3


def _shown(value: object) -> str:
    return render.plain(value) or "none"
