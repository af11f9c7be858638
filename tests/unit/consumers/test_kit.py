"""The producers' kit: what it makes is what the ledger reads; what it refuses never leaves; what it seals only the key opens."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.bindings._rust import openssl as rust
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from consumers.kit import CloudEvent, IngestKey, Invalid, binary, event, events, read_key, structured
from consumers.kit.envelope import uuid7
from consumers.kit.sealing import seal
from ledger.domain.envelope import Envelope, Read, Sealed, decode, opened, read
from ledger.domain.errors import Tampered
from ledger.keys.hpke import public_of, unseal

GOLDEN = Path(__file__).parents[2] / "golden" / "events"
SECRET = bytes(range(32))
KEY = IngestKey(sha256(public_of(SECRET)).hexdigest()[:16], public_of(SECRET))
SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
PERSON = events.Subject(scheme="email", value="ada@canary.example", class_="enquirer")


def used(**more: Any) -> events.DataUsed:
    fields: dict[str, Any] = {"purpose": "answer-question", "operation": "contact", "categories": ("email",)}
    return events.DataUsed(**({"organisation": "acme", "activity": "forms", "subject": PERSON} | fields | more))


def made(data: events.Event | None = None) -> CloudEvent:
    return event(
        data or used(), source="https://crm.example/events", event_id="e-1", time=datetime(2026, 3, 1, tzinfo=UTC)
    )


def test_importing_the_kit_loads_nothing_of_the_ledger_and_no_client() -> None:
    code = "import sys, consumers.kit; print(*{name.partition('.')[0] for name in sys.modules})"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    loaded = set(done.stdout.split())
    assert {"consumers", "msgspec"} <= loaded
    assert not loaded & {
        "ledger",
        "projections",
        "kafka",
        "cryptography",
        "eventsourcing",
        "orjson",
        "click",
        "sqlite3",
    }


@pytest.mark.parametrize("kind", events.EVERY, ids=lambda kind: kind.TYPE)
def test_every_type_of_the_contract_is_built_sealed_and_read_as_the_same_event(kind: type[events.Event]) -> None:
    data = msgspec.convert(json.loads((GOLDEN / f"{kind.TYPE}.json").read_text())["event"]["data"], kind)
    whole = made(data)
    plain = read(*structured(whole))
    assert isinstance(plain, Read), plain
    for record in (structured(whole, KEY), binary(whole, KEY)):
        assert data.organisation.encode() not in record.value
        sealed = read(*record)
        assert isinstance(sealed, Sealed)
        assert opened(sealed, unseal(SECRET, sealed.content, sealed.aad)) == plain
    assert read(*binary(whole)) == plain


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"operation": "gossip"}, "operation"),
        ({"organisation": ""}, "organisation"),
        ({"location": "Netherlands"}, "location"),
        ({"subject": None}, "subject"),
        ({"categories": "email"}, "categories"),
        ({"reference": "\ud800"}, "pdl.data.used.v1"),
        ({"subject": events.Subject(scheme="email", value="ada@canary.example" * 100)}, "subject.value"),
    ],
)
def test_an_event_that_breaks_the_contract_never_leaves_and_is_not_quoted(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        made(used(**change))
    assert "gossip" not in str(refused.value)
    assert "canary" not in f"{refused.value}{refused.value.__cause__}"


def test_times_ids_and_sources_are_checked() -> None:
    with pytest.raises(Invalid, match="zone"):
        event(used(), source="s", time=datetime(2026, 3, 1))  # noqa: DTZ001 -- the case
    with pytest.raises(Invalid, match="years"):
        event(used(), source="s", time=datetime(1880, 3, 1, tzinfo=UTC))
    for wrong in ({"source": ""}, {"source": "s", "event_id": "x" * 501}, {"source": "s\n"}):
        with pytest.raises(Invalid, match="printable"):
            event(used(), **wrong)
    with pytest.raises(Invalid, match=r"\|"):
        structured(event(used(), source="s", event_id="a|b"), KEY)
    with pytest.raises(Invalid, match="values"):
        made(events.DataCollected(organisation="o", activity="a", subject=PERSON, origin="subject"))


def test_what_carries_values_shows_none_of_them() -> None:
    assert "canary" not in f"{used()!r} {PERSON!r} {made()!r} {used().subject}"


def test_ids_that_follow_each_other_append() -> None:
    ids = [uuid7() for _ in range(50)]
    assert len(set(ids)) == 50
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)
    assert {(one[14], one[19] in "89ab") for one in ids} == {("7", True)}


def test_both_halves_of_hpke_agree_with_the_library() -> None:
    private = X25519PrivateKey.from_private_bytes(SECRET)
    theirs = rust.hpke._encrypt_with_aad(SUITE, b"data", private.public_key(), None, b"aad")
    assert unseal(SECRET, theirs, b"aad") == b"data"
    assert rust.hpke._decrypt_with_aad(SUITE, seal(KEY, b"data", b"aad"), private, None, b"aad") == b"data"
    assert unseal(SECRET, SUITE.encrypt(b"data", private.public_key()), b"") == b"data"


@given(st.binary(max_size=300), st.binary(max_size=60), st.integers(0, 10_000), st.integers(0, 7))
def test_a_seal_opens_with_its_key_and_header_or_not_at_all(plain: bytes, aad: bytes, place: int, bit: int) -> None:
    sealed = bytearray(seal(KEY, plain, aad))
    assert unseal(SECRET, bytes(sealed), aad) == plain
    for attack in (lambda: unseal(SECRET, bytes(sealed), aad + b"x"), lambda: unseal(bytes(32), bytes(sealed), aad)):
        with pytest.raises(Tampered):
            attack()
    sealed[place % len(sealed)] ^= 1 << bit
    if (
        place % len(sealed) != 31 or bit != 7
    ):  # RFC 7748: the last bit of a point is masked; the schedule still sees it.
        with pytest.raises(Tampered):
            unseal(SECRET, bytes(sealed), aad)


@pytest.mark.parametrize("size", range(60))
def test_a_seal_that_is_cut_off_is_no_seal(size: int) -> None:
    with pytest.raises(Tampered):
        unseal(SECRET, seal(KEY, b"data", b"")[: min(size, 51)], b"")


def test_sealed_data_cannot_say_who_sent_them_or_when() -> None:
    sealed = read(*structured(made(), KEY))
    assert isinstance(sealed, Sealed)
    smuggled = opened(sealed, b'{"organisation":"acme"},"id":"other"')
    assert not isinstance(smuggled, Read)
    assert smuggled.reason == "undecodable"


def test_a_sealed_event_without_its_parts_says_what_is_missing() -> None:
    body = json.loads(structured(made(), KEY).value)
    for change in ({"pdlkeyid": None}, {"data_base64": "?"}, {"data_base64": None}, {"id": "a|b"}):
        found = decode(json.dumps(body | change).encode())
        assert not isinstance(found, Envelope)
        assert found.reason == "sealed-unreadable"
        assert "pdlkeyid" in found.detail


def test_a_key_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    for wrong in ("", "[]", '{"pdlkeyid": "0011223344556677", "public": "AAAA"}', '{"pdlkeyid": "x"}'):
        file.write_text(wrong)
        with pytest.raises(ValueError, match="ingest key"):
            read_key(file)
