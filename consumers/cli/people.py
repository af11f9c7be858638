"""One person at the command line: who they are, what is kept, what the log says, and their values if they are opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from consumers.cli.render import plain, readable, table
from consumers.cli.telling import as_json, happened, held, opened, said
from ledger.domain.errors import Unreadable

if TYPE_CHECKING:
    from consumers.wiring import Wired

_CLOSED: Final = "open it with --reveal --reason TEXT"
_SEALED: Final = ("purpose", "recipient", "system")
"""Ids of a fact that stand as tokens where no statement lists them; who opens the values sees what they were."""


def named(
    wired: Wired, found: Iterable[Mapping[str, Any]], organisation: str | None = None
) -> Iterator[dict[str, Any]]:
    """Rows with the names of clients, recipients, systems and statutes in the place of their tokens, where they are known."""
    names = wired.ledger.names()

    def name(part: Any, whose: str) -> Any:
        if isinstance(part, str):
            return names.get((whose, part), part)
        if isinstance(part, list | tuple):
            return [name(item, whose) for item in part]
        return part

    for row in found:
        whose = row.get("organisation") or organisation or ""
        yield {column: name(part, whose) for column, part in row.items()}


def known_organisation(wired: Wired, organisation: str) -> None:
    """Refuse an organisation that no policy pack is for."""
    if organisation not in wired.packs:
        raise Unreadable(f"no policy pack is for that organisation; known are {', '.join(wired.packs)}.")


def resolve(wired: Wired, scheme: str, value: str, organisation: str | None) -> tuple[dict[str, str], dict[str, int]]:
    """Who an identifier is: pseudonyms by organisation; and the generation of erasure where it was erased."""
    from ledger.keys import Fence, Identifier  # noqa: PLC0415 -- with the ledger, not before

    if organisation is not None:
        known_organisation(wired, organisation)
    organisations = [organisation] if organisation is not None else list(wired.packs)
    found = wired.keys.resolve([Identifier(name, scheme, value) for name in organisations])
    people = {who.organisation: person for who, person in found.items() if isinstance(person, str)}
    fences = {who.organisation: person.generation for who, person in found.items() if isinstance(person, Fence)}
    return people, fences


def dossier(wired: Wired, scheme: str, value: str, organisation: str | None) -> dict[str, Any]:
    """What `pdl subject` says: who is surely this person, each dataset, the trail; `erased` where all is gone.

    `candidates` only share a weak identifier with the person, or had it for a time: nothing of them is shown.
    """
    people, fences = resolve(wired, scheme, value, organisation)
    resolved = wired.registers.resolved(people.values())
    everyone, candidates = sorted(resolved.people), sorted(resolved.candidates)
    found = wired.registers.dossier(everyone, wired.clock())
    known = wired.registers.identities([*everyone, *candidates])
    return {
        "people": everyone,
        "identities": [known[person] for person in everyone if person in known],
        "candidates": [known.get(person, {"person": person}) for person in candidates],
        "datasets": list(named(wired, found.datasets)),
        "trail": _closed(wired, list(named(wired, found.trail))),
        "erased": [{"organisation": name, "generation": generation} for name, generation in sorted(fences.items())],
    }


def revealed(wired: Wired, found: dict[str, Any], reason: str) -> list[dict[str, Any]]:
    """The trail with the outcome of each value. That somebody looked is in the log before."""
    trail: list[dict[str, Any]] = found["trail"]
    records = wired.log.at([row["position"] for row in trail])
    organisations = sorted({row["organisation"] for row in trail})
    seen = wired.accesses.reveal(organisations, found["people"], reason, records)
    return [row | {"values": as_json(seen[row["position"]])} for row in trail]


def _closed(wired: Wired, trail: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The trail for a reader who opens nothing: what is sealed is withheld."""
    from ledger.outcomes import withheld  # noqa: PLC0415 -- with the ledger, not before
    from ledger.sealing import header_of  # noqa: PLC0415 -- as above

    states = {record.position: record.state for record in wired.log.at([row["position"] for row in trail])}
    return [row | {"values": as_json(withheld(header_of(states[row["position"]]), _CLOSED))} for row in trail]


def draw_dossier(found: dict[str, Any], *, revealed: bool) -> None:
    """The dossier for a person to read."""
    for gone in found["erased"]:
        click.echo(
            f"{gone['organisation']}: this person was erased; no key, no identifier and no trail leads to them any more."
        )
    if not found["people"]:
        if not found["erased"]:
            click.echo("Nobody is known by that identifier.")
        return
    click.echo(f"Known as {', '.join(_identity(one) for one in found['identities']) or _several(found['people'])}.")
    if found["candidates"]:
        click.echo(
            f"May be the same person, and is not shown: {', '.join(_identity(one) for one in found['candidates'])}. They share an "
            "identifier that several people may have; a service that knows better sends pdl.subject.linked."
        )
    click.echo()
    table([held(row) for row in found["datasets"]], title="What is held", nothing="Nothing is held.")
    click.echo()
    if revealed:
        _draw_opened(found["trail"])
    else:
        table([happened(row) for row in found["trail"]], title="What happened", nothing="No trail.")


def _draw_opened(trail: Iterable[dict[str, Any]]) -> None:
    """What happened, line by line, each with its values by category and with who acted."""
    click.echo("What happened, with the values")
    for row in trail:
        line = happened(row | said(row["values"], _SEALED))
        words = (line["what"], line["activity"], plain(line["categories"]), line["how"])
        click.echo(f"{line['day']}  {' · '.join(readable(word) for word in words if word)}")
        for name, value in opened(row["values"], row["role"]):
            click.echo(f"            {name}: {readable(value)}")


def spread(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a trail for a spreadsheet: opened values in a column for each category."""
    shown = dict(row)
    sections = shown.pop("values", {})
    return shown | {
        f"value of {name}" if name != "by" else name: value for name, value in opened(sections, row["role"])
    }


def _identity(one: Mapping[str, Any]) -> str:
    schemes = ", ".join(one.get("schemes", ()))
    return f"{one['person']} ({schemes})" if schemes else str(one["person"])


def _several(people: Iterable[str]) -> str:
    return ", ".join(people)
