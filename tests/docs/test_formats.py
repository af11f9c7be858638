"""The formats page: its example is what the ledger writes, and the page alone is enough to read it."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from hashlib import blake2b, sha256
from hmac import digest
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.evidence.note import parse_verifier
from ledger.evidence.proof import verify_proof
from ledger.store.reading import LAYOUT
from tests.docs.example import OFFSET, PERSON, STREAM, parts
from tests.docs.texts import REFERENCE, ROOT, part, same_as_part

PAGE = REFERENCE / "formats.md"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return parts(tmp_path_factory.mktemp("root"))


@pytest.mark.parametrize(
    "name",
    [
        "event",
        "secrets",
        "state",
        "header",
        "sections",
        "leaf",
        "leaf-hash",
        "checkpoint",
        "verifier-key",
        "proof",
        "certificate",
        "root",
        "journal",
    ],
)
def test_the_example_is_what_the_ledger_writes(made: dict[str, str], name: str) -> None:
    assert name in made
    same_as_part(PAGE, name, made[name])


# --- from here on nothing of the ledger is used: only the page, and libraries that everybody has


def _secrets() -> dict[str, bytes]:
    rows = [re.split(r" {1,}(?=[0-9a-f]+$)", line.rstrip()) for line in part(PAGE, "secrets").splitlines()]
    return {name.strip(): bytes.fromhex(value) for name, value in rows}


def _state() -> bytes:
    return bytes.fromhex(part(PAGE, "state").replace("\n", ""))


def _cut(state: bytes) -> tuple[bytes, list[bytes]]:
    assert state[0] == 1
    pieces, at = [], 1
    while at < len(state):
        size = int.from_bytes(state[at : at + 4], "big")
        pieces.append(state[at + 4 : at + 4 + size])
        at += 4 + size
    return pieces[0], pieces[1:]


def test_a_record_can_be_taken_apart_with_the_page_alone() -> None:
    header, sealed = _cut(_state())
    assert header.decode() == part(PAGE, "header").rstrip("\n")
    assert [cipher.hex() for cipher in sealed] == part(PAGE, "sections").split()


def test_a_key_id_is_expanded_from_the_key() -> None:
    secrets = _secrets()
    for name in ("identity key", "forms/forms key"):
        assert digest(secrets[name], b"pdl/1 key id and content mac\x01", "sha256")[:16] == secrets[f"{name} id"]


def test_sections_open_with_the_header_as_associated_data() -> None:
    header, sealed = _cut(_state())
    secrets, fields = _secrets(), json.loads(header)
    opened = {}
    for (dataset, key_id), cipher in zip(fields["sections"], sealed, strict=True):
        key = next(
            secrets[name] for name in ("identity key", "forms/forms key") if secrets[f"{name} id"].hex() == key_id
        )
        opened[dataset] = json.loads(AESGCM(key).decrypt(bytes.fromhex(fields["salt"])[:12], cipher, header))
    sent = json.loads(part(PAGE, "event"))
    assert opened["forms/forms"] == sent["data"]["values"]
    assert opened["identity"]["data"]["subject"] == sent["data"]["subject"]
    assert "values" not in opened["identity"]["data"]
    assert fields["person"] == PERSON
    assert b"ada@example.org" not in _state()


def test_a_token_is_a_keyed_hash() -> None:
    key = digest(_secrets()["organisation secret"], b"pdl/1 token\x01", "sha256")
    header, _ = _cut(_state())
    assert json.loads(header)["reference"] == "~" + blake2b(b"ticket-77", digest_size=8, key=key).hexdigest()


def test_the_leaf_follows_from_the_record() -> None:
    header, sealed = _cut(_state())
    hashes = b"".join(b64encode(sha256(cipher).digest()) + b"\n" for cipher in sealed)
    leaf = f"pdl/1 {STREAM} {OFFSET + 1} pdl.data.collected.v1\n".encode() + header + b"\n" + hashes
    assert leaf.decode() == part(PAGE, "leaf")
    assert b64encode(sha256(b"\x00" + leaf).digest()).decode() == part(PAGE, "leaf-hash").strip()


def test_the_checkpoint_of_one_leaf_has_its_hash_as_root_and_a_signature_over_the_text() -> None:
    text, _, signature = part(PAGE, "checkpoint").partition("\n\n")
    origin, size, root = text.split("\n")
    assert (size, root) == ("1", part(PAGE, "leaf-hash").strip())
    name, key_hash, public = part(PAGE, "verifier-key").strip().split("+", 2)
    raw = b64decode(public)
    assert raw[1:] == Ed25519PrivateKey.from_private_bytes(_secrets()["signing seed"]).public_key().public_bytes_raw()
    assert sha256(f"{name}\n".encode() + raw).digest()[:4].hex() == key_hash
    signed = b64decode(signature.split(" ")[2])
    assert signed[:4].hex() == key_hash
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signed[4:], f"{text}\n".encode())
    assert origin == name


def test_the_certificate_of_the_page_is_signed_and_its_proofs_lead_to_the_order() -> None:
    note = part(PAGE, "certificate")
    text, _, signature = note.rpartition("\n\n")
    lines = dict(line.split(" ", 1) for line in text.partition("\nOrder\n")[0].split("\n") if " " in line)
    raw = b64decode(lines["key"].split("+", 2)[2])
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(b64decode(signature.split(" ")[2])[4:], f"{text}\n".encode())
    first = next(line for line in text.split("\nProofs\n")[1].split("\n") if line.startswith("order "))
    proven = verify_proof(b64decode(first.split(" ")[1]).decode(), parse_verifier(lines["key"]))
    order = text.split("\norder ")[1].split("\n")[0]
    assert sha256(b"\x00" + proven.leaf).hexdigest() == order


def test_the_proof_of_the_page_holds_and_shows_the_leaf() -> None:
    proven = verify_proof(part(PAGE, "proof"), parse_verifier(part(PAGE, "verifier-key")))
    assert proven.leaf.decode() == part(PAGE, "leaf")


def test_the_root_slot_has_a_checksum() -> None:
    body, _, check = part(PAGE, "root").rpartition("sha256 ")
    assert sha256(body.encode()).hexdigest() == check.strip()


def test_every_table_is_explained() -> None:
    text = PAGE.read_text("utf-8")
    sql = "".join((ROOT / "ledger" / room / "sqlite.sql").read_text("utf-8") for room in ("store", "keys"))
    tables = re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)", sql, re.MULTILINE)
    assert "fence" in tables
    assert "tile" in tables
    assert [name for name in tables if f"| `{name}` |" not in text] == []
    assert f"layout {LAYOUT}" in text


def test_every_line_of_the_journal_can_be_read(tmp_path: Path) -> None:
    from ledger.keys.journal import Journal  # noqa: PLC0415 - only here

    (tmp_path / "erasures.journal").write_text(part(PAGE, "journal"), "utf-8")
    (entry,) = Journal(tmp_path / "erasures.journal").entries()
    assert (entry.case, entry.people[0].person) == ("case-0011223344556677", PERSON)
