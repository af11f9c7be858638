"""Synthetic traffic for measuring: about 500 bytes an event, five people's worth of history each, no wrongs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson

_START = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)


def bodies(count: int, people: int, seed: int = 1) -> Iterator[bytes]:
    """`count` CloudEvents as bytes for `people` people, in order of time."""
    chance = random.Random(seed)
    for number in range(count):
        person = chance.randrange(people)
        yield orjson.dumps(_event(number, person, _START + timedelta(seconds=number)))


def _event(number: int, person: int, time: datetime) -> dict[str, object]:
    kind, data = _KINDS[number % len(_KINDS)]
    subject = {"scheme": "email", "value": f"person.{person:07d}@example.org", "class": "enquirer"}
    common = {
        "organisation": "klantinfocus",
        "activity": "forms",
        "subject": subject,
        "system": "crm",
        "location": "NL",
    }
    actor = {"role": "account-manager", "id": f"acc-{number % 97:04d}"}
    own = data(person)  # type: ignore[operator]
    return {
        "specversion": "1.0",
        "id": f"{0x018F00000000 + number:012x}-7000-8000-{number:012x}",
        "source": f"/klantinfocus/forms-{number % 4}",
        "type": kind,
        "time": time.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {**common, "actor": actor, **own},
    }


def _collected(person: int) -> dict[str, object]:
    return {
        "values": {
            "name": f"Sanne van Meerdonk {person}",
            "email": f"person.{person:07d}@example.org",
            "phone": f"+3120{person:07d}",
            "message": "Could you send the brochure about reports to this address, please?",
        },
        "origin": "subject",
        "basis": "contract",
        "notice": {"id": "statement", "language": "nl"},
        "channel": "web-form",
    }


def _used(person: int) -> dict[str, object]:
    return {
        "purpose": "answer-question",
        "operation": "contact",
        "categories": ["name", "email"],
        "basis": "contract",
        "channel": "email",
        "reference": f"ticket-{person:07d}-{person % 13}",
    }


def _milestone(person: int) -> dict[str, object]:
    return {"milestone": "contact", "reference": f"ticket-{person:07d}-{person % 13}"}


_KINDS = (
    ("pdl.data.collected.v1", _collected),
    ("pdl.data.used.v1", _used),
    ("pdl.data.used.v1", _used),
    ("pdl.data.collected.v1", _collected),
    ("pdl.milestone.reached.v1", _milestone),
)
