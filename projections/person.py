"""One person's dossier: every dataset that is or was kept of them, and the trail of what happened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ledger.domain.calendar import local
from ledger.keys import IDENTITY
from ledger.policy.model import Pack
from ledger.sealing import Header
from projections.page import COLLECTED
from projections.register import Row, shown
from projections.registers.erasures import Erasures
from projections.standing import Standing
from projections.trail import trail_row

_NOTHING: Final = "unlisted"


class Dossier(NamedTuple):
    """Datasets as the command `pdl subject` prints them, and the trail in order of time."""

    datasets: list[Row]
    trail: list[Row]


def dossier_of(
    db: sqlite3.Connection,
    facts: Sequence[tuple[int, Header]],
    standings: Iterable[Standing],
    packs: Mapping[str, Pack],
) -> Dossier:
    """Put together what is kept of a person: by the ledger (sealed), by systems (reported), or erased."""
    rows: dict[tuple[str, str, str], Row] = {}
    for _, header in facts:
        for dataset in _datasets(header, packs.get(header.organisation)):
            _row(rows, header.organisation, dataset, header.client)
    for standing in standings:
        row = _row(rows, standing.organisation, standing.place, standing.line.client)
        _stand(row, standing)
    for person in {(header.organisation, header.person) for _, header in facts if header.person is not None}:
        _erase(rows, db, *person)
    ordered = sorted(facts, key=lambda fact: (fact[1].time, fact[1].source, fact[1].id))
    return Dossier([rows[key] for key in sorted(rows)], [trail_row(position, header) for position, header in ordered])


def _datasets(header: Header, pack: Pack | None) -> set[str]:
    """Where this fact's data are kept: sealed by the ledger, or (without a value) by the system that reported it."""
    found = {section.dataset for section in header.sections if section.dataset != IDENTITY} | {*header.erased} - {
        IDENTITY
    }
    if header.type == COLLECTED and pack is not None and header.activity is not None:
        found |= {
            f"{header.activity}/{pack.dataset_of(header.activity, category) or _NOTHING}"
            for category in header.categories
        }
    return found


def _row(rows: dict[tuple[str, str, str], Row], organisation: str, place: str, client: str | None) -> Row:
    activity, _, dataset = place.rpartition("/")
    blank: dict[str, Any] = {
        "organisation": organisation,
        "activity": activity or None,
        "dataset": dataset,
        "client": client,
        "state": "live",
        "due": None,
        "overdue": False,
        "systems": [],
        "held_until": None,
        "hold_statute": None,
        "rule": None,
        "words": None,
        "erased": None,
        "case": None,
    }
    return rows.setdefault((organisation, place, client or ""), blank)


def _stand(row: Row, standing: Standing) -> None:
    line, hold = standing.line, standing.hold
    row["due"] = None if line.due is None else local(line.due).isoformat()
    row["overdue"] = standing.overdue
    row["systems"] = [system for system in line.systems if system is not None]
    row["rule"], row["words"] = line.rule, line.words or None
    if hold is not None:
        row["state"] = "held"
        row["hold_statute"] = hold.statute or hold.rule
        row["held_until"] = None if hold.end is None else local(hold.end).isoformat()


def _erase(rows: dict[tuple[str, str, str], Row], db: sqlite3.Connection, organisation: str, person: str) -> None:
    """The ledger's own copy is gone; what systems still hold stays visible beside it."""
    for (client, place), (at, case) in Erasures().erased(db, person).items():
        if place == IDENTITY:
            continue
        row = _row(rows, organisation, place, client or None)
        row["state"], row["erased"], row["case"] = "erased", shown(at), case
