"""`pdl source`: who may speak, and the scorecard that the engineer of a service wants to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from consumers.cli import DONE, NO
from consumers.cli.options import data_option, format_option, opened
from consumers.cli.people import known_organisation
from consumers.cli.render import one, pairs, rows
from consumers.cli.telling import source as told
from ledger.domain.calendar import local
from ledger.domain.errors import Unreadable
from ledger.domain.sources import ANY, cadence, grant

if TYPE_CHECKING:
    from consumers.wiring import Wired
    from ledger.domain.sources import Registration

_NAMED_MAX: Final = 8
_IDS_AT_ONCE: Final = 2_000
_INNER: Final = ("kafka:", "file:", "stdin:", "quarantine:", "operator:", "sweep:", "pdl:")
"""Streams and the ledger's own sources: no service of anybody."""
EVERYONE: Final = "No source is registered: every source may speak for every organisation (`pdl source add` ends that)."


@click.group()
def source() -> None:
    """Say which sources may speak, and read how each of them does.

    While no source is registered, every source may speak. From the first `pdl source add` on only registered
    sources may, each for what it was registered for; the rest waits in quarantine as source-not-allowed.

    \b
    Example:
      pdl source add https://crm.example/events --organisation ORG --activity forms --every P1D
      pdl source report
    """


@source.command()
@click.argument("name", metavar="SOURCE")
@click.option(
    "--organisation",
    "organisations",
    multiple=True,
    metavar="ORG",
    help="Whose events it may publish; may be given several times.  [default: everyone's]",
)
@click.option(
    "--activity", "activities", multiple=True, metavar="ID", help="Only of this activity; may be given several times."
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only this event type, or a pattern such as 'pdl.data.*'; may be given several times.",
)
@click.option(
    "--every",
    metavar="DURATION",
    help="How often it is heard at least, such as PT6H or P1D; a longer silence is a finding.",
)
@data_option
@format_option
def add(
    name: str,
    organisations: tuple[str, ...],
    activities: tuple[str, ...],
    types: tuple[str, ...],
    every: str | None,
    form: str,
) -> None:
    """Let a source speak: SOURCE is the `source` attribute of its events, exactly.

    Added again for the same organisation, the new terms take the place of the old. An event without an activity
    (a milestone, a report) is bound by --type alone. Recorded as a decision in the log.

    \b
    Example:
      pdl source add https://crm.example/events --organisation ORG
      pdl source add https://crm.example/events --organisation ORG --type 'pdl.data.*' --every PT6H
    """
    grants = [grant(organisation, activities, types) for organisation in dict.fromkeys(organisations or (ANY,))]
    with opened(write=True, create=True) as wired:
        for organisation in organisations:
            known_organisation(wired, organisation)
            known = wired.packs[organisation].activities
            if unknown := [one for one in activities if one not in known]:
                raise Unreadable(
                    f"{organisation} has no activity {', '.join(unknown)}; it has {', '.join(known)}. Nothing was decided."
                )
        first = not wired.sources.registrations()
        wired.sources.add(name, grants, cadence(every) if every is not None else None)
        registered = wired.sources.registrations()
        wired.registers.catch_up(only=["sources"])
        others = sorted(set(_services(wired)) - {one.source for one in registered})
    rows(_granted(one for one in registered if one.source == name), form)
    if first:
        click.echo("pdl: from now on only registered sources may speak.", err=True)
        if others:
            click.echo(f"pdl: heard before and not registered: {_several(others)}.", err=True)
    click.echo("pdl: `pdl quarantine retry` records what waited for this as source-not-allowed.", err=True)


@source.command()
@click.argument("name", metavar="SOURCE")
@click.option("--organisation", metavar="ORG", default=ANY, help="Only for this organisation.  [default: everyone's]")
@data_option
def remove(name: str, organisation: str) -> int:
    """Let a source no longer speak; what it said stays.

    \b
    Example:
      pdl source remove https://crm.example/events
    """
    with opened(write=True) as wired:
        done = wired.sources.remove(name, organisation)
        speaking = who_may_speak(wired.sources.registrations())
    click.echo(speaking if done else "That source is not registered; `pdl source list` shows who is.")
    return DONE if done else NO


@source.command("list")
@data_option
@format_option
def list_(form: str) -> None:
    """List who may speak, and for what.

    \b
    Example:
      pdl source list
    """
    with opened(write=False) as wired:
        registered = wired.sources.registrations()
    rows(_granted(registered), form, nothing=EVERYONE)


@source.command()
@click.argument("name", required=False, metavar="[SOURCE]")
@data_option
@format_option
def report(name: str | None, form: str) -> None:
    """Show how a source does, or all of them: the scorecard of a service.

    Last heard; complete up to; numbers that are missing; what it said that it sent and holds against what is
    here; what waits in quarantine, and why; fields that the contract does not know; implausible times; findings
    that its events caused.

    \b
    Example:
      pdl source report
      pdl source report https://crm.example/events
    """
    with opened(write=False) as wired:
        wired.registers.catch_up()
        cards = list(_cards(wired, [name] if name is not None else None))
        if name is not None and cards:
            cards[0]["holding"] = _holding(wired, name)
    if name is not None:
        if not cards:
            raise Unreadable("that source is neither registered nor was it ever heard; `pdl source report` lists them.")
        if form == "table":
            pairs(told(cards[0]) | {key: cards[0][key] for key in ("reported", "holding")})
        else:
            one(cards[0], form)
        return
    rows(map(told, cards) if form == "table" else cards, form, nothing="No source was heard yet.")


def who_may_speak(registered: Sequence[Registration]) -> str:
    """One sentence about who may speak."""
    if not registered:
        return EVERYONE
    return f"Only registered sources may speak: {_several([one.source for one in registered])}."


def complete_up_to(wired: Wired, organisation: str | None) -> str:
    """A line for below a register: up to when each service's events are all here, as far as anyone can say."""
    found = {
        name: until
        for name, until in wired.registers.complete_up_to(organisation).items()
        if not name.startswith(_INNER)
    }
    known = [f"{name} {local(until):%Y-%m-%d %H:%M}" for name, until in found.items() if until is not None]
    silent = [name for name, until in found.items() if until is None]
    parts = [f"Complete up to: {_several(known)}."] if known else []
    if silent:
        parts.append(f"Nobody can say of {_several(silent)}: no numbers (sequence), no counts (pdl.source.reported).")
    return " ".join(parts)


def _several(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more (`pdl source report`)" if len(names) > _NAMED_MAX else ""
    return f"{', '.join(names[:_NAMED_MAX])}{more}"


def _granted(registered: Iterable[Registration]) -> Iterator[dict[str, Any]]:
    for one_ in registered:
        for its in one_.grants:
            yield {
                "source": one_.source,
                "organisation": its.organisation,
                "activities": list(its.activities) or [ANY],
                "types": list(its.types) or [ANY],
                "every": one_.every,
            }


def _services(wired: Wired) -> list[str]:
    return [name for name in wired.log.sources() if not name.startswith(_INNER)]


def _cards(wired: Wired, names: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    """One card a source, over all organisations that it speaks for."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in wired.registers.rows("sources", now=wired.clock()):
        if not row["source"].startswith(_INNER) and names in (None, [row["source"]]):
            by_name.setdefault(row["source"], []).append(row)
    caused = _caused(wired, list(by_name))
    silent = wired.registers.silent(wired.clock())
    for name, its in by_name.items():
        same = its[0]
        yield {
            "source": name,
            "registered": same["registered"],
            "every": same["every"],
            "organisations": [row["organisation"] for row in its if row["organisation"]],
            "last_heard": same["last_heard"],
            "silent_since": local(silent[name]).isoformat() if name in silent else None,
            "complete_up_to": same["complete_up_to"],
            "recorded": same["recorded"] or 0,
            "types": dict(sum((Counter(row["types"]) for row in its), Counter())),
            "gaps": same["gaps"],
            "missing": same["missing"],
            "quarantined": same["quarantined"],
            "unknown_fields": same["unknown_fields"],
            "implausible_times": same["implausible_times"] or 0,
            "reported": _reported(wired, name),
            "findings": dict(sorted(caused[name].items())),
        }


def _caused(wired: Wired, names: Sequence[str]) -> dict[str, Counter[str]]:
    """How many findings of each code rest, first of all, on an event of each source."""
    found = [
        (row["about"][0], row["code"]) for row in wired.registers.rows("findings", now=wired.clock()) if row["about"]
    ]
    caused: dict[str, Counter[str]] = {name: Counter() for name in names}
    for start in range(0, len(found), _IDS_AT_ONCE):
        chunk = found[start : start + _IDS_AT_ONCE]
        events = {event for event, _ in chunk}
        known = wired.log.known([(name, event) for event in events for name in names])
        whose: dict[str, list[str]] = {}
        for name, event in known:
            whose.setdefault(event, []).append(name)
        for event, code in chunk:
            for name in whose.get(event, ()):
                caused[name][code] += 1
    return caused


def _reported(wired: Wired, name: str) -> list[dict[str, Any]]:
    return [
        {
            "organisation": row["organisation"],
            "from": _shown(row["starts"]),
            "to": _shown(row["ends"]),
            "differing": row["differing"],
        }
        for row in wired.registers.reported(name)[-_NAMED_MAX:]
    ]


def _holding(wired: Wired, name: str) -> list[dict[str, Any]]:
    """What the service said last that it holds, against the people of whom its collections are still held."""
    newest = {row["organisation"]: row for row in wired.registers.reported(name) if row["holding"]}
    found = []
    for organisation, row in newest.items():
        here = wired.registers.held_by(name, organisation, row["holding"], _moment(row["ends"]))
        found.append(
            {
                "organisation": organisation,
                "at": _shown(row["ends"]),
                "people": {
                    activity: {"said": count, "here": here.get(activity, 0)}
                    for activity, count in sorted(row["holding"].items())
                },
            }
        )
    return found


def _moment(micros: int) -> datetime:
    from projections.register import moment  # noqa: PLC0415 -- with the ledger, not before

    return moment(micros)


def _shown(micros: int) -> str:
    return local(_moment(micros)).isoformat()
