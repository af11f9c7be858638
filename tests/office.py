"""A whole ledger in one process, opened anew for each act as commands do, with a clock that stands where it is put."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.aftercare import follow_up, remove_ciphertext
from consumers.wiring import Wired, open_ledger
from ledger.approvals import Approval, expires_at, sign
from ledger.erasure import Outcome
from ledger.evidence.note import Signer
from ledger.keys import Identifier
from ledger.service import Input

ORG = "klantinfocus"
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class Office:
    """Facts are given, somebody erases; every act opens the ledger, and closes it."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data, self.now, self._number = data, START, 0
        self._environment = monkeypatch
        self.signers: dict[str, Signer] = {}

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            self._environment.setenv(f"PDL_{name.upper()}", value)

    @contextmanager
    def open(self) -> Iterator[Wired]:
        with open_ledger(self.data, write=True, create=True, command="test", clock=lambda: self.now) as wired:
            yield wired

    def later(self, **length: int) -> None:
        self.now += timedelta(**length)

    def given(self, what: str, time: str = "2026-03-02T08:00:00Z", *, who: str | None = "K-1", **data: Any) -> str:
        """Record one fact; None leaves a field out. Returns its id."""
        self._number += 1
        base: dict[str, Any] = {"organisation": ORG, "activity": "forms"}
        if who is not None:
            base["subject"] = {"scheme": "customer-number", "value": who, "class": "enquirer"}
        if what == "data.collected":
            base |= {
                "values": {"name": "Ada Voorbeeld", "email": "ada@example.org"},
                "origin": "subject",
                "system": "crm",
            }
        body = {name.rstrip("_"): value for name, value in (base | data).items() if value is not None}
        id_ = f"e-{self._number}"
        event = {
            "specversion": "1.0",
            "id": id_,
            "source": "/forms",
            "type": f"pdl.{what}.v1",
            "time": time,
            "data": body,
        }
        with self.open() as wired:
            receipt = wired.ledger.record([Input(0, json.dumps(event).encode())], f"test:{id_}", 0)
            assert receipt.recorded == 1, receipt
        return id_

    def person(self, who: str = "K-1", organisation: str = ORG) -> str:
        with self.open() as wired:
            found = wired.keys.resolve([name := Identifier(organisation, "customer-number", who)])[name]
        assert isinstance(found, str)
        return found

    def erase(self, who: str = "K-1", organisation: str = ORG, reason: str = "request", **options: Any) -> Outcome:
        person = self.person(who, organisation)
        with self.open() as wired:
            wired.registers.catch_up()
            outcome = wired.erasures.erase(organisation, person, wired.standings(person), reason=reason, **options)
        self.look_after()
        return outcome

    def look_after(self) -> None:
        with self.open() as wired:
            wired.registers.catch_up()
            remove_ciphertext(wired)
            follow_up(wired)
            wired.registers.catch_up()

    def rows(self, name: str, **more: Any) -> list[dict[str, Any]]:
        with self.open() as wired:
            wired.registers.catch_up()
            return list(wired.registers.rows(name, now=self.now, **more))

    def add_approver(self, name: str, role: str = "privacy-officer") -> Signer:
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        signer = self.signers[name] = Signer(name, seed)
        with self.open() as wired:
            wired.erasures.add_approver(name, role, signer.key.public)
        return signer

    def note(
        self,
        case: str,
        name: str,
        word: str = "approve",
        role: str = "privacy-officer",
        valid: str = "P7D",
        **other: Any,
    ) -> str:
        with self.open() as wired:
            said = Approval(
                wired.log.ledger_id,
                case,
                wired.erasures.order_of(case),
                word,
                role,
                self.now,
                expires_at(self.now, valid),
            )
        return sign(self.signers[name], said._replace(**other))

    def bytes_of_everything(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.data.rglob("*") if file.is_file())


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(tmp_path / "ledger", monkeypatch)
