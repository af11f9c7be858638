"""Who may speak: which source may publish events of which organisation, activity and type.

While no source is registered, every source may speak: the default of an embedded ledger. From the first
registration on only registered sources may, each for what it was registered for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from ledger.domain.calendar import duration
from ledger.domain.errors import Unreadable
from ledger.domain.events import BY_WIRE

ANY: Final = "*"
"""An organisation that stands for all of them."""
OWN: Final = "pdl:"
"""What the names of the ledger's own sources begin with; nobody else may speak under them."""


class Grant(Struct, frozen=True, kw_only=True):
    """What a source may say about one organisation ("*": about any); no activities or types: all of them."""

    organisation: str
    activities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def covers(self, activity: str | None, type_: str) -> bool:
        """Whether it lets an event pass; one without an activity is bound by the types alone."""
        return (not self.types or type_ in self.types) and (
            not self.activities or activity is None or activity in self.activities
        )


class Registration(Struct, frozen=True, kw_only=True):
    """A registered source: its grants by organisation, and how often it is heard at least (ISO 8601), if that was said."""

    source: str
    grants: tuple[Grant, ...]
    every: str | None = None


class Speakers:
    """Everyone who may speak. `objection` answers per event, so what it found is kept."""

    def __init__(self, registrations: Iterable[Registration]) -> None:
        self._grants: Final[Mapping[str, Mapping[str, Grant]]] = {
            one.source: {grant.organisation: grant for grant in one.grants} for one in registrations
        }
        self._found: dict[tuple[str, str, str | None, str], str | None] = {}

    def objection(self, source: str, organisation: str, activity: str | None, type_: str) -> str | None:
        """Why this source may not say this, and what to do; None where it may."""
        asked = (source, organisation, activity, type_)
        if asked not in self._found:
            if len(self._found) > _REMEMBERED:
                self._found.clear()
            self._found[asked] = self._objection(*asked)
        return self._found[asked]

    def _objection(self, source: str, organisation: str, activity: str | None, type_: str) -> str | None:
        grants = self._grants.get(source)
        if grants is None:
            return f"this source is not registered; if it may speak for {organisation}: `pdl source add`, then `pdl quarantine retry`."
        grant = grants.get(organisation) or grants.get(ANY)
        if grant is None:
            return f"this source is not registered for {organisation}; if it may speak for it: `pdl source add`, then `pdl quarantine retry`."
        if not grant.covers(None, type_):
            return f"this source is registered for {organisation}, but not for {type_}; widen it with `pdl source add`, then `pdl quarantine retry`."
        if not grant.covers(activity, type_):
            return f"this source is registered for {organisation}, but not for this activity; widen it with `pdl source add`, then `pdl quarantine retry`."
        return None


_REMEMBERED: Final = 100_000


def grant(organisation: str, activities: Iterable[str], types: Iterable[str]) -> Grant:
    """A grant as it was asked for. A type may be a pattern such as `pdl.data.*`; raises Unreadable for one that no type matches."""
    wires: list[str] = []
    for asked in types:
        stem = asked.removesuffix("*").removesuffix(".v1")
        found = [wire for wire in BY_WIRE if (wire.startswith(stem) if asked.endswith("*") else wire == f"{stem}.v1")]
        if not found:
            raise Unreadable("--type matches no event type of the contract; `pdl schema` lists them.")
        wires += found
    return Grant(organisation=organisation, activities=tuple(sorted(set(activities))), types=tuple(sorted(set(wires))))


def cadence(text: str) -> str:
    """A cadence such as PT6H or P1D, checked. Raises Unreadable."""
    term = duration(text)
    if term is None or term.is_zero:
        raise Unreadable("--every needs an ISO 8601 duration of at least an hour, such as PT6H, P1D or P1W.")
    return text
