"""Notices to people (GDPR Art. 13, 14)."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Final

from projections.page import COLLECTED, Page
from projections.register import Ask, Key, Log, Register, Row, counted, presented

_WITH: Final = {COLLECTED: "collection", "pdl.notice.given.v1": "notice", "pdl.consent.given.v1": "consent"}


class Notices(Register):
    """Which information was given, and with what."""

    name = "notices"
    help = "Information that people were given: notice, version, language; with a collection, a consent or by itself."
    columns: ClassVar[tuple[str, ...]] = (
        "organisation",
        "client",
        "notice",
        "version",
        "language",
        "how",
        "events",
        "first",
        "last",
    )

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Count a page's notices."""
        given: dict[Key, list[datetime]] = defaultdict(list)
        for topic, how in _WITH.items():
            for group in page.of(topic):
                line = group.line
                if line.notice is not None:
                    given[
                        line.organisation, line.client, line.notice, line.notice_version, line.notice_language, how
                    ] += group.times
        db.executemany(self.sql["add"], counted(given))

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per notice and version."""
        yield from presented(ask.select(self.sql["list"]), times=("first", "last"))
