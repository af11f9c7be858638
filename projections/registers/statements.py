"""Versions of privacy statements: which text bound from when, in which reading, and how it was made known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from ledger.domain.calendar import day_of
from ledger.policy.model import Pack
from projections.chronicle import Chronicle
from projections.register import Ask, Row, shown

_EMPTY: Final[dict[str, Any]] = dict.fromkeys(
    ("name", "reading", "effective_from", "until", "in_force", "title", "sha256")
)


class Statements(Chronicle):
    """One row per version: those whose packs are at hand, and those that were only announced."""

    name = "statements"
    help = "Versions of each privacy statement: in force from when, in which reading, digest of the text, where it was announced."
    topics = ("pdl.statement.announced.v1",)
    fields = ("version", "channel")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "name", "version", "reading", "effective_from", "until", "in_force", "title", "sha256", "announced",
    )  # fmt: skip

    def rows(self, ask: Ask) -> Iterator[Row]:
        """By organisation, in order of their taking effect; announcements of other versions come last."""
        announced: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for raw in ask.select(self.sql["list"]):
            told = {"channel": raw["channel"], "time": shown(raw["time"])}
            announced[raw["organisation"], raw["version"]].append(told)
        wanted = {*ask.packs, *(place[0] for place in announced)} if ask.organisation is None else {ask.organisation}
        for organisation in sorted(wanted):
            newest = ask.pack(organisation)
            versions = [] if newest is None else [*newest.earlier, newest]
            for at, pack in enumerate(versions):
                row = _row(pack, versions[at + 1] if at + 1 < len(versions) else None, ask)
                row["announced"] = announced.pop((organisation, pack.version), [])
                yield {name: row[name] for name in self.columns}
            for place in sorted(place for place in announced if place[0] == organisation):
                row = _EMPTY | {"organisation": organisation, "version": place[1], "announced": announced[place]}
                yield {name: row[name] for name in self.columns}


def _row(pack: Pack, following: Pack | None, ask: Ask) -> Row:
    said, today = pack.file.statement, day_of(ask.now)
    until = None if following is None else following.effective_from
    return {
        "organisation": pack.organisation,
        "name": pack.name,
        "version": said.version,
        "reading": said.reading,
        "effective_from": said.effective_from.isoformat(),
        "until": None if until is None else until.isoformat(),
        "in_force": said.effective_from <= today and (until is None or today < until),
        "title": said.title,
        "sha256": said.sha256,
    }
