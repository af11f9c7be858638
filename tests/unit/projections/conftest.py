from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.policy.packs import builtin_packs
from projections.answers import Projections
from projections.postgres import PostgresTables
from projections.runner import Tables
from tests.memory_log import MemoryLog

NOW = datetime(2026, 6, 2, 12, 0, tzinfo=UTC)
PERSON = {"scheme": "email", "value": "noor@example.org"}


class Desk:
    """A log in memory with registers behind it: `given` facts, then `rows`."""

    def __init__(self, store: Tables | None = None) -> None:
        self.log = MemoryLog()
        self.packs = builtin_packs()
        self.projections = Projections(None, self.log, self.packs, store=store)
        self._number = 0

    @property
    def person(self) -> str:
        return self.log.person("klantinfocus", **PERSON)

    def given(self, kind: str, time: str = "2026-03-02T08:00:00Z", *, recorded: str | None = None, **data: Any) -> str:
        """Record one fact about the usual person; None leaves a field out. Returns its id."""
        self._number += 1
        id_ = str(data.pop("event_id", f"e-{self._number}"))
        base: dict[str, Any] = {"organisation": "klantinfocus", "activity": "forms", "subject": PERSON}
        body = {name.rstrip("_"): value for name, value in (base | data).items() if value is not None}
        extra = {"sequence": body.pop("sequence")} if "sequence" in body else {}
        source = body.pop("from_source", "/forms")
        event = {
            "specversion": "1.0",
            "id": id_,
            "source": source,
            "type": f"pdl.{kind}.v1",
            "time": time,
            "data": body,
            **extra,
        }
        moment = {} if recorded is None else {"recorded": datetime.fromisoformat(recorded)}
        self.log.record(event, **moment)
        return id_

    def collected(self, time: str = "2026-03-02T08:00:00Z", **data: Any) -> str:
        return self.given("data.collected", time, **({"categories": ["email"], "origin": "subject"} | data))

    def rows(self, name: str, now: datetime = NOW, **more: Any) -> list[dict[str, Any]]:
        """The rows of a register after catching up; every row has exactly its columns, in order."""
        self.projections.catch_up()
        rows = list(self.projections.rows(name, now=now, **more))
        assert all(tuple(row) == self.projections.columns(name) for row in rows)
        return rows


@pytest.fixture(params=["sqlite", "postgres"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """Registers promise the same in either database."""
    on_postgres = request.param == "postgres"
    made = Desk(PostgresTables(request.getfixturevalue("make_address")()) if on_postgres else None)
    yield made
    made.projections.close()


@pytest.fixture
def moment() -> Callable[[str], datetime]:
    return datetime.fromisoformat
