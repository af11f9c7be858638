"""Notices to people (GDPR Art. 13, 14)."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Final

from projections.page import Page
from projections.register import Ask, Key, Log, Register, Row, counted, presented

_GIVEN: Final = "pdl.notice.given.v1"
_CONSENT: Final = "pdl.consent.given.v1"


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
        for line in page.collected():
            if line.notice is not None:
                given[line.organisation, line.client, line.notice, line.notice_version, None, "collection"].append(
                    line.time
                )
        for _, topic, told in page.details((_GIVEN, _CONSENT)):
            if told.notice is not None:
                how = "notice" if topic == _GIVEN else "consent"
                given[
                    told.organisation, told.client, told.notice, told.notice_version, told.notice_language, how
                ].append(told.time)
        db.executemany(self.sql["add"], counted(given))

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per notice and version."""
        yield from presented(ask.select(self.sql["list"]), times=("first", "last"))
