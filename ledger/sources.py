"""The register of who may speak: decisions in the log, and who they let through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b

import orjson

from ledger.decisions import SOURCE_ADDED, SOURCE_REMOVED, Decisions, SpeakingSource
from ledger.domain.errors import Unreadable
from ledger.domain.sources import ANY, OWN, Grant, Registration, Speakers
from ledger.sealing import Record
from ledger.store import EventLog

NAME_MAX = 500


class Sources:
    """Registers sources and takes them out again; each is a decision, and the newest counts."""

    def __init__(self, log: EventLog, clock: Callable[[], datetime]) -> None:
        self._log, self._clock = log, clock
        self._decisions = Decisions(log.recorder)

    def add(self, source: str, grants: Sequence[Grant], every: str | None) -> None:
        """Let a source say what the grants say; an earlier grant for the same organisation gives way."""
        if not source or len(source) > NAME_MAX or not source.isprintable() or source.startswith(OWN):
            raise Unreadable(f"a source is named as its events name it: printable, and not beginning with {OWN}")
        at = self._clock().isoformat()
        known = self._decisions.source(_stream(source)) or SpeakingSource.register(_stream(source), source, at)
        for grant in grants:
            known.add(grant.organisation, grant.activities, grant.types, every, at)
        self._decisions.save(known)

    def remove(self, source: str, organisation: str = ANY) -> bool:
        """Let a source no longer speak for an organisation, or for any; False where it did not."""
        known = self._decisions.source(_stream(source))
        if known is None or not known.remove(organisation, self._clock().isoformat()):
            return False
        self._decisions.save(known)
        return True

    def registrations(self) -> list[Registration]:
        """Everyone who is registered now, by name."""
        return registered(self._log)


def _stream(source: str) -> str:
    """The stream of a source's decisions: its name is opaque, but may be long."""
    return f"source-{blake2b(source.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


def registered(log: EventLog) -> list[Registration]:
    """Everyone who is registered by the decisions of a log."""
    grants: dict[str, dict[str, Grant]] = {}
    every: dict[str, str | None] = {}
    for record in sorted([*log.decisions(SOURCE_ADDED), *log.decisions(SOURCE_REMOVED)], key=lambda one: one.position):
        said = orjson.loads(record.state)
        its = grants.setdefault(said["source"], {})
        if record.topic == SOURCE_ADDED:
            its[said["organisation"]] = Grant(
                organisation=said["organisation"], activities=tuple(said["activities"]), types=tuple(said["types"])
            )
            every[said["source"]] = said["every"]
        elif said["organisation"] == ANY:
            its.clear()
        else:
            its.pop(said["organisation"], None)
    return [
        Registration(source=source, grants=tuple(its.values()), every=every[source])
        for source, its in sorted(grants.items())
        if its
    ]


class Gate:
    """Who may speak, as the log says it now; asked once a batch, and read again only when something was decided."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._read_to: int | None = None
        self._speakers: Speakers | None = None

    def speakers(self) -> Speakers | None:
        """Everyone who may speak; None: nobody is registered, so everyone may."""
        if self._read_to is None:
            self._read_to = self._log.size()
        elif not any(record.topic in {SOURCE_ADDED, SOURCE_REMOVED} for record in self._news(self._read_to)):
            return self._speakers
        found = registered(self._log)
        self._speakers = Speakers(found) if found else None
        return self._speakers

    def _news(self, after: int) -> list[Record]:
        news = self._log.decisions(after=after)
        if news:
            self._read_to = news[-1].position
        return news
