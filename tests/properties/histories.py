"""Random histories of the organisations whose packs come with the ledger: every type of event, in any order, with retractions.

Each history keeps to a few ids of a pack (and one that no pack knows), so that its events have to do with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ledger.domain.events import EVENT_TYPES, MaybeAboutPerson
from ledger.policy.model import Pack
from ledger.policy.packs import builtin_packs

PACKS = builtin_packs()
PEOPLE = ("ada@example.org", "bo@example.org", "0612345678")
START = datetime(2023, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=1300)
Data = dict[str, Any]
_YES_NO = (True, False)


class World:
    """The ids that one history keeps to."""

    def __init__(self, draw: st.DrawFn, pack: Pack) -> None:
        self.draw = draw
        self.organisation = pack.organisation
        known = {space: sorted(pack.known(space)) for space in ("recipient", "milestone", "class", "control", "system")}
        self.activities = self._few(sorted(pack.activities), 2)
        datasets = [dataset for name in self.activities for dataset in pack.activities[name].datasets.values()]
        self.datasets = [dataset.id for dataset in datasets] or ["nowhere"]
        self.categories = self._few(sorted({id_ for dataset in datasets for id_ in dataset.categories}), 3)
        purposes = {id_ for name in self.activities for id_ in pack.activities[name].purposes}
        self.purposes = [*self._few(sorted(purposes | set(pack.file.consents)), 2), "gossip"]
        self.recipients = [*self._few(known["recipient"], 1), "stranger"]
        self.milestones = [*self._few(known["milestone"], 2), "contract.ended"]
        self.classes = self._few(known["class"], 2)
        self.controls = [*self._few(known["control"], 1), "moon-watch"]
        self.systems = self._few(known["system"], 2)
        self.parameters = sorted(pack.file.parameters) or ["retention"]

    def _few(self, ids: list[str], most: int) -> list[str]:
        """Some of these ids; one that no pack knows where there are none."""
        return self.draw(st.lists(st.sampled_from(ids or ["unheard-of"]), min_size=1, max_size=most, unique=True))

    def one(self, *ids: Any) -> Any:
        """One of these."""
        return ids[self.draw(st.integers(0, len(ids) - 1))]

    def maybe(self) -> bool:
        """Yes or no."""
        return self.draw(st.booleans())

    def some(self, ids: list[str]) -> list[str]:
        """One or two of these."""
        return self.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True))

    def subject(self) -> Data:
        value = self.one(*PEOPLE)
        return {"scheme": "email" if "@" in value else "phone", "value": value}


def _act(w: World) -> Data:
    return {"categories": w.some([*w.categories, "shoe-size"]), "system": w.one(None, *w.systems)}


def _collected(w: World) -> Data:
    return _act(w) | {"origin": w.one("subject", "public", "service"), "notice": w.one(None, {"id": "statement"})}


def _used(w: World) -> Data:
    return _act(w) | {"purpose": w.one(*w.purposes), "operation": w.one("contact", "consult", "store")}


def _shared(w: World) -> Data:
    return {
        "categories": w.some(w.categories),
        "purpose": w.one(*w.purposes),
        "recipient": w.one(*w.recipients, "client-a"),
        "basis": w.one("contract", "legal-obligation"),
        "country": w.one("NL", "BR"),
        "contract": w.one(None, "dpa", "other"),
        "service": w.one(None, "secure-mail"),
    }


def _signed(w: World) -> Data:
    return {
        "reference": w.one("dpa", "ref-1"),
        "party": w.one(*w.recipients, "client-a", "subject"),
        "kind": w.one("processor", "service"),
        "from": "2023-02-01",
        "until": w.one(None, "2024-06-30"),
        "country": w.one(None, "NL", "BR"),
        "recipients": w.one([], w.recipients),
    }


def _unsolicited(w: World, *decisions: str | None) -> Data:
    return {"reference": w.one("ref-1", "ref-2"), "decision": w.one(*decisions)}


def _instructed(w: World) -> Data:
    parameter = w.one(*w.parameters)
    return {
        "client": w.one("client-a", "client-b"),
        "instruction": w.one("configure", "destroy"),
        "parameters": w.one(None, {parameter: "P6M"}, {parameter: "P9Y"}),
        "country": w.one(None, "NL", "BR"),
        "public": w.one(None, *_YES_NO),
    }


def _reported(w: World) -> Data:
    counts = w.one({"data.collected": 1}, {"pdl.data.used.v1": 0, "data.shared": 1})
    return {
        "from": w.one("2023-01-01", "2023-06-01T12:00:00Z"),
        "to": w.one("2024-12-31", "2026-01-01"),
        "counts": counts,
    }


def _warranted(w: World) -> Data:
    parts = ("lawfully-obtained", "consent-given", "right-to-use")
    return {"client": w.one("client-a", "client-b"), "parts": w.some([*parts])}


def _told(w: World) -> Data:
    return {"recipient": w.one(*w.recipients), "operation": w.one("erasure", "rectification"), "notification": "n-1"}


_DATA: Mapping[str, Callable[[World], Data]] = {
    "data.collected": _collected,
    "data.used": _used,
    "data.shared": _shared,
    "data.deleted": lambda w: {"categories": w.one(["*"], w.categories), "system": w.one(None, *w.systems)},
    "data.rectified": lambda w: {"values": {w.one(*w.categories): "x"}},
    "consent.given": lambda w: {
        "purpose": w.one(*w.purposes),
        "method": "box",
        "until": w.one(None, None, "2024-12-31"),
    },
    "consent.refused": lambda w: {"purpose": w.one(*w.purposes)},
    "consent.withdrawn": lambda w: {"purpose": w.one(*w.purposes)},
    "objection.raised": lambda w: {"purpose": w.one(*w.purposes)},
    "objection.answered": lambda w: {"purpose": w.one(*w.purposes), "outcome": w.one("upheld", "overridden")},
    "restriction.placed": lambda w: {"ground": w.one(None, "claims", "accuracy")},
    "restriction.lifted": lambda w: {"ground": w.one(None, "claims", "accuracy")},
    "request.received": lambda w: {"right": w.one("access", "erasure", "objection"), "reference": "req"},
    "request.extended": lambda w: {"reference": "req", "reason": "many", "informed_at": w.one(None, "2023-06-01")},
    "request.answered": lambda w: {"outcome": w.one("fulfilled", "partly", "nothing-held"), "reference": "req"},
    "request.refused": lambda w: {"reference": "req", "ground": "excessive", "remedy_named": w.maybe()},
    "request.forwarded": lambda _: {"reference": "req", "to": "client-a"},
    "notice.given": lambda _: {"notice": {"id": "statement"}},
    "subject.informed": lambda w: {"about": w.one("storage", "erasure", "lift", "outcome"), "outcome": "delivered"},
    "milestone.reached": lambda w: {"milestone": w.one(*w.milestones, "moon.landed")},
    "hold.placed": lambda w: {
        "statute": "AWR-52",
        "reference": "hold",
        "datasets": w.one([], w.datasets[:1]),
        "until": w.one(None, "2024-03-31"),
    },
    "hold.released": lambda _: {"reference": "hold"},
    "unsolicited.received": lambda w: _unsolicited(w, None, "not-needed"),
    "unsolicited.triaged": lambda w: _unsolicited(w, "needed", "not-needed"),
    "access.granted": lambda w: {"reference": "acc", "scope": w.one("contract", "repair"), "target": "t"},
    "access.closed": lambda _: {"reference": "acc"},
    "access.used": lambda w: {"reference": "acc", "purpose": w.one("contract", "repair"), "target": "t"},
    "contract.signed": _signed,
    "contract.ended": lambda w: {"reference": w.one("dpa", "ref-1")},
    "processor.engaged": lambda w: {"recipient": w.one(*w.recipients), "services": ["mail"], "country": "NL"},
    "processor.ended": lambda w: {"recipient": w.one(*w.recipients)},
    "client.instructed": _instructed,
    "warranty.given": _warranted,
    "control.executed": lambda w: {"control": w.one(*w.controls)},
    "statement.announced": lambda w: {"version": w.one("2", "3"), "channel": w.one("website", "letter")},
    "breach.detected": lambda w: {"reference": "b-1", "datasets": w.one([], w.datasets[:1])},
    "breach.notified": lambda w: {"reference": "b-1", "to": w.one("authority", "subjects", "controller")},
    "breach.closed": lambda _: {"reference": "b-1"},
    "recipient.notified": _told,
    "recipient.acknowledged": lambda w: {
        "notification": w.one("n-1", *(f"e-{number}" for number in range(8))),
        "outcome": "done",
        "recipient": w.one(None, *w.recipients),
    },
    "subject.linked": lambda w: {"other": w.subject(), "until": w.one(None, None, "2024-01-31")},
    "subject.unlinked": lambda w: {"other": w.subject()},
    "source.reported": _reported,
}
"""What each type says beside who, where and for whom."""
_TYPES = {event.WIRE.removeprefix("pdl.").removesuffix(".v1"): event for event in EVENT_TYPES}
_FIELDS = {name: frozenset(event.__struct_fields__) for name, event in _TYPES.items()}
OF_ORGANISATION = tuple(
    name for name, event in _TYPES.items() if "subject" not in _FIELDS[name] or issubclass(event, MaybeAboutPerson)
)
"""Types that may name no person."""
_KINDS = st.sampled_from([*["data.collected"] * 6, *["data.shared", "data.used", "data.deleted"] * 2, *_DATA])
_OWN_KINDS = st.sampled_from([name for name in OF_ORGANISATION if name in _DATA])


def event_of(w: World, kind: str, number: int, *, person: bool) -> Data:
    """One event of a kind; `person`: about somebody, where the type allows it."""
    data: Data = {"organisation": w.organisation, "client": w.one(None, None, "client-a", "client-b")}
    data["reference"] = w.one(None, None, "ref-1", "ref-2")
    said = _DATA[kind](w)
    about = person and "subject" in _FIELDS[kind]
    if about:
        data["subject"] = w.subject()
        if kind == "data.collected":
            also = w.one(None, None, [w.subject()])
            data["subject"] |= {"class": w.one(*w.classes)} | ({} if also is None else {"also": also})
    if kind.split(".", maxsplit=1)[0] in {"data", "consent"} or w.maybe():
        data["activity"] = w.one(*w.activities)
    if said.get("party") == "subject" and not about:
        said["party"] = w.recipients[0]
    time = START + timedelta(days=w.draw(st.integers(0, 1400)), hours=w.draw(st.integers(0, 30)))
    event: Data = {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": w.one("/a", "/b"),
        "type": f"pdl.{kind}.v1",
        "time": time.isoformat(),
        "data": {name: value for name, value in (data | said).items() if value is not None and value != []},
    }
    return event | ({"sequence": number} if w.one(*_YES_NO) else {})


@st.composite
def histories(draw: st.DrawFn, max_size: int = 14) -> list[Data]:
    """Up to `max_size` events as services send them, in the order of their arrival."""
    worlds = [World(draw, PACKS[name]) for name in draw(st.lists(st.sampled_from([*PACKS]), min_size=1, max_size=2))]
    events: list[Data] = []
    for number in range(draw(st.integers(1, max_size))):
        world = worlds[0] if draw(st.integers(0, 5)) else worlds[-1]
        person = draw(st.integers(0, 2)) > 0
        events.append(event_of(world, draw(_KINDS if person else _OWN_KINDS), number, person=person))
    retracted = draw(st.lists(st.integers(0, len(events) + 2), max_size=2))
    for number, target in enumerate(retracted):
        events.append(_retraction(worlds[0], number, events[target] if target < len(events) else None))
    return draw(st.permutations(events))


def _retraction(w: World, number: int, target: Data | None) -> Data:
    data: Data = {"organisation": w.organisation, "source": "/a", "id": "nowhere", "reason": "never-happened"}
    if target is not None:
        data |= {"organisation": target["data"]["organisation"], "source": target["source"], "id": target["id"]}
        if "subject" in target["data"] and w.maybe():
            data["subject"] = {name: target["data"]["subject"][name] for name in ("scheme", "value")}
    return {
        "specversion": "1.0",
        "id": f"r-{number}",
        "source": "/a",
        "type": "pdl.fact.retracted.v1",
        "time": (NOW - timedelta(days=30 - number)).isoformat(),
        "data": data,
    }
