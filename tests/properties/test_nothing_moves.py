"""A sealed value opens in its own record, under its own header and key, and nowhere else."""

from __future__ import annotations

import json
import os
import struct
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.errors import KeyMissing, Tampered
from ledger.keys import Scope
from ledger.keys.memory import MemoryKeyStore
from ledger.keys.sqlite import open_key_store
from ledger.keys.wrap import wrap
from ledger.policy.packs import builtin_packs
from ledger.sealing import ciphertexts, header_bytes, is_decision, opened
from ledger.service import Input, Ledger
from ledger.sql import as_json
from ledger.store.sqlite import SQLiteEventLog

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CASES = 10_000 if os.environ.get("PDL_SOAK") else 400
RECORDS = 24


@cache
def recorded() -> tuple[list[bytes], MemoryKeyStore]:
    """The stored records of six people with several datasets, and their keys."""
    keys = MemoryKeyStore()
    with TemporaryDirectory() as folder:
        log = SQLiteEventLog(Path(folder) / "log.db", create=True)
        ledger = Ledger(log, keys, builtin_packs(), lambda: NOW)
        bodies = [
            {
                "specversion": "1.0",
                "id": f"e-{number}",
                "source": "/forms",
                "type": "pdl.data.collected.v1",
                "time": f"2026-03-02T08:{number:02}:00Z",
                "data": {
                    "organisation": "klantinfocus",
                    "activity": "forms",
                    "subject": {"scheme": "email", "value": f"p{number % 6}@example.org", "class": "enquirer"},
                    "values": {"email": f"p{number % 6}@example.org", "message": f"message {number}"},
                    "reference": f"ticket-{number}",
                    "origin": "subject",
                },
            }
            for number in range(RECORDS)
        ]
        receipt = ledger.record([Input(n, json.dumps(body).encode()) for n, body in enumerate(bodies)], "test", RECORDS)
        assert receipt.recorded == RECORDS
        states = [record.state for record in log.read(0, 100) if not is_decision(record)]
        log.close()
    assert all(len(ciphertexts(state)) > 1 for state in states)
    return states, keys


def record_of(header: bytes, sealed: list[bytes]) -> bytes:
    """A stored record with this header and these sections."""
    state, _ = recorded()
    return b"".join(
        [state[0][:1], struct.pack(">I", len(header)), header, *(struct.pack(">I", len(one)) + one for one in sealed)]
    )


def refused(state: bytes) -> None:
    with pytest.raises((Tampered, KeyMissing)):
        list(opened([state], recorded()[1]))


def test_a_record_put_together_again_opens() -> None:
    states, keys = recorded()
    for state in states:
        again = record_of(header_bytes(state), [one for one in ciphertexts(state) if isinstance(one, bytes)])
        assert again == state
    assert len(list(opened(states, keys))) == RECORDS


chosen = st.integers(0, RECORDS - 1)


@settings(max_examples=CASES, deadline=None)
@given(one=chosen, other=chosen, part=st.integers(0, 1), into=st.integers(0, 1))
def test_a_ciphertext_opens_nowhere_else(one: int, other: int, part: int, into: int) -> None:
    states, _ = recorded()
    mine, theirs = ([bytes(s) for s in ciphertexts(states[n]) if isinstance(s, bytes)] for n in (one, other))
    if (one, into) == (other, part):
        return
    mine[into] = theirs[part]
    refused(record_of(header_bytes(states[one]), mine))


@settings(max_examples=CASES, deadline=None)
@given(one=chosen, where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_no_byte_of_header_or_ciphertext_may_change(one: int, where: float, change: int) -> None:
    state = bytearray(recorded()[0][one])
    state[5 + int(where * (len(state) - 5))] ^= change
    refused(bytes(state))


@settings(max_examples=CASES, deadline=None)
@given(one=chosen, other=chosen)
def test_no_header_fits_the_sections_of_another_record(one: int, other: int) -> None:
    states, _ = recorded()
    if one != other:
        refused(record_of(header_bytes(states[one]), [s for s in ciphertexts(states[other]) if isinstance(s, bytes)]))


def test_another_key_in_the_right_place_is_refused_by_its_commitment(tmp_path: Path) -> None:
    """Whoever holds a bucket key may wrap any key under the right name; a ciphertext made to open under two gains nothing."""
    keys = open_key_store(tmp_path, ledger_id="a ledger", create=True)
    scope = Scope("acme", "", "f" * 32, "forms/forms")
    key_id = keys.obtain([scope])[scope].id  # type: ignore[union-attr]
    vault = keys._vault
    ((_, _, _, bucket, _),) = vault.ask("keys_by_id", as_json([key_id]))
    forged = wrap(vault.under({bucket})[bucket], os.urandom(32), vault.name("key", *scope))
    with vault.reading(), vault.writing():
        vault.each("rewrap_key", [(forged, bucket, key_id)])
    keys.forget(1)
    with pytest.raises(Tampered, match="not the key of that id"):
        keys.open([key_id])
    keys.close()
