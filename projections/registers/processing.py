"""The register of processing activities (GDPR Art. 30(1) and 30(2)): what the statement says, and what was seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from ledger.domain.calendar import day_of
from ledger.policy.model import Activity, Pack
from projections.register import Ask, Register, Row, ids, shown
from projections.sql import statements

_SEEN: Final = ("purposes", "recipients", "categories", "classes", "systems", "countries")


class Processing(Register):
    """One row per activity of a controller; one per activity and client of a processor."""

    name = "processing"
    help = "Art. 30: processing activities with purposes, categories, people, recipients, countries, terms; declared and seen."
    depends = ("collections", "uses", "disclosures")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "name", "activity", "label", "acts_as", "client", "declared", "statement", "purposes", "classes", "categories", "recipients",
        "systems", "locations", "countries", "outside_eea", "retention", "rules", "undeclared", "events", "first", "last",
    )  # fmt: skip

    @property
    def sql(self) -> dict[str, str]:
        """It has no tables of its own: it reads those of collections, uses and disclosures."""
        return {}

    def rows(self, ask: Ask) -> Iterator[Row]:
        """Declared activities in the order of the statement, then those that were only seen."""
        seen = _seen(ask)
        wanted = (
            [ask.organisation] if ask.organisation is not None else sorted({*ask.packs, *(place[0] for place in seen)})
        )
        for organisation in wanted:
            pack = ask.pack(organisation)
            declared = [] if pack is None else list(pack.activities)
            others = sorted({place[1] for place in seen if place[0] == organisation} - set(declared))
            for activity in (*declared, *others):
                clients = sorted({place[2] for place in seen if place[:2] == (organisation, activity)}) or [""]
                for client in clients:
                    row = _row(
                        ask, pack, organisation, activity, client, seen.get((organisation, activity, client), {})
                    )
                    yield {name: row[name] for name in self.columns}


Seen = dict[str, Any]


def _seen(ask: Ask) -> dict[tuple[str, str, str], Seen]:
    """What facts show of each (organisation, activity, client)."""
    found: dict[tuple[str, str, str], Seen] = defaultdict(
        lambda: {name: set() for name in _SEEN} | {"events": 0, "first": None, "last": None}
    )
    read = statements("projections.registers", "processing.sql")
    for name in ("collections", "uses", "disclosures"):
        for row in ask.select(read[name]):
            seen = found[row["organisation"], row["activity"], row["client"]]
            for field in _SEEN:
                if row.get(field):
                    value = row[field]
                    seen[field] |= set(ids(value)) if value.startswith("[") else {value}
            seen["events"] += row["events"]
            seen["first"] = row["first"] if seen["first"] is None else min(seen["first"], row["first"])
            seen["last"] = row["last"] if seen["last"] is None else max(seen["last"], row["last"])
    return dict(found)


def _row(ask: Ask, pack: Pack | None, organisation: str, activity: str, client: str, seen: Seen) -> Row:
    own = None if pack is None else pack.activities.get(activity)
    today = day_of(ask.now)
    countries = sorted(seen.get("countries", ()))
    row: Row = {
        "organisation": organisation,
        "activity": activity or None,
        "client": client or None,
        "countries": countries,
        "outside_eea": []
        if pack is None
        else [country for country in countries if not pack.law.in_eea(country, today)],
        "events": seen.get("events", 0),
        "first": shown(seen.get("first")),
        "last": shown(seen.get("last")),
    }
    declared = _declared(pack, own)
    told = {name: set(declared[name]) for name in _SEEN if name != "countries"}
    row |= declared
    row |= {name: [*declared[name], *sorted(seen.get(name, set()) - told[name])] for name in told}
    row["undeclared"] = sorted({f"{name}:{id_}" for name in told for id_ in seen.get(name, set()) - told[name]})
    return row


def _declared(pack: Pack | None, own: Activity | None) -> Row:
    empty: Row = {
        "name": None if pack is None else pack.name,
        "label": None,
        "acts_as": None,
        "declared": False,
        "statement": None,
    }
    if pack is None or own is None:
        return empty | {
            name: []
            for name in (
                "purposes",
                "classes",
                "categories",
                "recipients",
                "systems",
                "locations",
                "retention",
                "rules",
            )
        }
    datasets = own.datasets.values()
    return empty | {
        "label": {"nl": own.nl, "en": own.en},
        "acts_as": own.acts_as,
        "declared": True,
        "statement": pack.version,
        "purposes": list(own.purposes),
        "classes": _all(dataset.classes for dataset in datasets),
        "categories": _all(dataset.categories for dataset in datasets),
        "recipients": [
            id_ for id_, label in pack.file.recipients.items() if not label.activities or own.id in label.activities
        ],
        "systems": list(own.systems),
        "locations": [own.locations] if isinstance(own.locations, str) else list(own.locations),
        "retention": [
            {"dataset": dataset.id, "nl": dataset.retention.nl, "en": dataset.retention.en} for dataset in datasets
        ],
        "rules": list(own.rules),
    }


def _all(many: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(id_ for some in many for id_ in some))
