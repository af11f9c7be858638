"""The byte-exact example of the formats page, made by the ledger's own code from fixed secrets."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from ledger.domain.envelope import Unrecordable, read
from ledger.evidence.certificate import About, Asked, compose
from ledger.evidence.note import Checkpoint, Signer
from ledger.evidence.proof import make_proof
from ledger.evidence.tree import extend, leaf_hash, root
from ledger.keys import Key, KeyStore, Scope, expand
from ledger.keys.journal import Entry, GoneKey, GonePerson
from ledger.keys.root import write_slot
from ledger.policy.packs import load_pack
from ledger.sealing import Chance, Record, SealingDesk, ciphertexts, header_bytes, leaf_of, place

LEDGER: Final = "00112233445566778899aabbccddeeff"
ORIGIN: Final = f"personal-data-ledger/{LEDGER}"
STREAM: Final = "kafka:example-cluster:example-topic:0"
OFFSET: Final = 41
PERSON: Final = "0123456789abcdef0123456789abcdef"
EVENT: Final = (
    b'{"specversion":"1.0","id":"e-41","source":"https://forms.example/klantinfocus","type":"pdl.data.collected.v1",'
    b'"time":"2026-03-01T12:00:00+01:00","data":{"organisation":"klantinfocus","activity":"forms","reference":"ticket-77",'
    b'"subject":{"scheme":"email","value":"ada@example.org","class":"enquirer"},"values":{"email":"ada@example.org"},"origin":"subject"}}'
)
IDENTITY_KEY: Final = bytes(range(32))
FORMS_KEY: Final = bytes(range(32, 64))
ORGANISATION_SECRET: Final = bytes(range(64, 96))
SEED: Final = bytes(range(96, 128))
ROOT: Final = bytes(range(128, 160))


class _Counting(Chance):
    """Random bytes that are not: each draw repeats one byte, the next draw the next byte."""

    def __init__(self) -> None:
        self._byte = 0

    def take(self, size: int) -> str:
        self._byte += 1
        return bytes([self._byte] * size).hex()


class _Tokens:
    """The one thing that a sealing desk asks of a key store: tokens."""

    def token(self, _organisation: str, text: str) -> str:
        return blake2b(text.encode(), digest_size=8, key=expand(ORGANISATION_SECRET, b"pdl/1 token")).hexdigest()


def record() -> Record:
    """The stored record of the example event."""
    found = read(EVENT)
    assert not isinstance(found, Unrecordable)
    envelope, content = found.envelope, found.canonical
    desk = SealingDesk(load_pack("klantinfocus"), cast("KeyStore", _Tokens()))
    desk.ids.people = {("klantinfocus", "email", "ada@example.org"): PERSON}
    keys = {
        Scope("klantinfocus", "", PERSON, "identity"): Key(IDENTITY_KEY),
        Scope("klantinfocus", "", PERSON, "forms/forms"): Key(FORMS_KEY),
    }
    where = place(STREAM, datetime(2026, 3, 1, 11, 0, 1, tzinfo=UTC), _Counting())
    state, hashed = desk.seal(desk.draft(envelope, content), cast("dict[Scope, Any]", keys), where, OFFSET + 1)
    made = Record(1, STREAM, OFFSET + 1, envelope.WIRE, state)
    assert hashed == leaf_hash(leaf(made))
    return made


def leaf(made: Record) -> bytes:
    """Its evidence leaf."""
    return leaf_of(made.stream, made.version, made.topic, made.state)


def parts(folder: Path) -> dict[str, str]:
    """Every block of the page by its name."""
    made = record()
    sealed = ciphertexts(made.state)
    hashed = leaf_hash(leaf(made))
    tiles = extend(0, lambda _level, _number: None, [hashed])
    signer = Signer(ORIGIN, SEED)
    note = signer.sign(str(Checkpoint(ORIGIN, 1, root(1, lambda level, number: tiles.get((level, number))))))
    proof = make_proof(0, leaf(made), 1, lambda level, number: tiles.get((level, number)), note)
    write_slot(folder, 1, ROOT)
    entry = Entry(
        case="case-0011223344556677",
        generation=1,
        epoch=1,
        keys=(GoneKey(Key(FORMS_KEY).id, "klantinfocus", "", PERSON, "forms/forms"),),
        people=(GonePerson(PERSON, "ffeeddccbbaa99887766554433221100"),),
    )
    return {
        "event": f"{EVENT.decode()}\n",
        "secrets": (
            f"identity key        {IDENTITY_KEY.hex()}\nidentity key id     {Key(IDENTITY_KEY).id}\n"
            f"forms/forms key     {FORMS_KEY.hex()}\nforms/forms key id  {Key(FORMS_KEY).id}\n"
            f"organisation secret {ORGANISATION_SECRET.hex()}\nsigning seed        {SEED.hex()}\n"
        ),
        "state": _hex(made.state),
        "header": f"{header_bytes(made.state).decode()}\n",
        "sections": "".join(f"{cipher.hex()}\n" for cipher in sealed),
        "leaf": leaf(made).decode(),
        "leaf-hash": f"{b64encode(hashed).decode()}\n",
        "checkpoint": note,
        "verifier-key": f"{signer.key}\n",
        "proof": str(proof),
        "certificate": certificate(signer),
        "root": (folder / "slot-1").read_text("utf-8"),
        "journal": f"{msgspec.json.encode(entry).decode()}\n",
    }


def certificate(signer: Signer) -> str:
    """A certificate of an erasure of the example's dataset, in a log of two decisions."""
    case, key, at = "case-0011223344556677", Key(FORMS_KEY).id, "2026-06-01T12:00:00+00:00"
    order = {"organisation": "klantinfocus", "person": PERSON, "approval": "none", "at": at}
    gone = {"case": case, "key_ids": [key], "at": at}
    records = [
        Record(1, case, 1, "ledger.erasure.ordered.v1", msgspec.json.encode(order)),
        Record(2, case, 2, "ledger.keys.destroyed.v1", msgspec.json.encode(gone)),
    ]
    tiles = extend(0, lambda _level, _number: None, [leaf_hash(leaf(made)) for made in records])

    def tile(level: int, number: int) -> bytes | None:
        return tiles.get((level, number))

    note = signer.sign(str(Checkpoint(ORIGIN, 2, root(2, tile))))
    proofs = [str(make_proof(made.position - 1, leaf(made), 2, tile, note)) for made in records]
    about = About(
        ledger=ORIGIN,
        case=case,
        number=1,
        supplements="",
        issued=at,
        organisation="klantinfocus",
        person=PERSON,
        ground="request",
        ordered=at,
        order=leaf_hash(leaf(records[0])).hex(),
        approval="none",
        signed=[],
        use_stopped=at,
        irreversible="",
        alone=True,
        keys=[(key, "forms/forms", "")],
        stays=[("customers/customers", "", "held", "awr-52")],
        systems=[Asked(f"{case}.1", "crm", "forms", "", "sent", at)],
        recipients=[],
        letter="written",
        schemes=["email"],
        unlinked=0,
        proofs=(proofs[0], proofs[1]),
    )
    return compose(about, signer)


def _hex(content: bytes) -> str:
    """Bytes as lines of hexadecimal."""
    text = content.hex()
    return "".join(f"{text[at : at + 120]}\n" for at in range(0, len(text), 120))
