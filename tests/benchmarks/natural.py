"""How one would write it with eventsourcing alone: one aggregate a person, its cipher, one projection."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.cryptography import AESCipher
from eventsourcing.domain import Aggregate, event


class Person(Aggregate):
    """Everything that happened to one person's data."""

    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.facts = 0

    @staticmethod
    def create_id(name: str) -> UUID:
        return uuid5(NAMESPACE_URL, name)

    @event("Happened")
    def happened(self, kind: str, at: str, data: dict[str, Any]) -> None:
        self.facts += 1


class People(Application[UUID]):
    """Facts by person."""

    def record(self, message: dict[str, Any]) -> None:
        name = message["data"]["subject"]["value"]
        try:
            person: Person = self.repository.get(Person.create_id(name))
        except AggregateNotFoundError:
            person = Person(name)
        person.happened(message["type"], message["time"], message["data"])
        self.save(person)


def record_naturally(
    path: Path, messages: Sequence[dict[str, Any]], environment: Mapping[str, str] | None = None
) -> float:
    """Seconds to load, trigger and save each event, and to count it in one projection."""
    people = People(
        env={
            **(environment or {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}),
            "CIPHER_TOPIC": "eventsourcing.cryptography:AESCipher",
            "CIPHER_KEY": AESCipher.create_key(32),
        }
    )
    register = sqlite3.connect(f"{path}.register", isolation_level=None)
    register.execute("PRAGMA journal_mode = WAL")
    register.execute("CREATE TABLE seen (kind TEXT PRIMARY KEY, count INTEGER, mark INTEGER)")
    start = time.perf_counter()
    for number, message in enumerate(messages):
        people.record(message)
        register.execute(
            "INSERT INTO seen VALUES (?, 1, ?) ON CONFLICT (kind) DO UPDATE SET count = count + 1, mark = excluded.mark",
            (message["type"], number),
        )
    seconds = time.perf_counter() - start
    register.close()
    people.close()
    return seconds
