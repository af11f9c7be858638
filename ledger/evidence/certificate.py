"""The certificate of an erasure: one readable, signed text that anybody checks offline, without this program's data.

It names pseudonyms and ids of cases, keys, datasets, systems and recipients, and never a value. `compose` writes it from what
the log says; `verify` believes nothing but signatures and hashes: the ledger's over the whole text, the approvers' over
the order, the tree's over the two decisions. The text is documented byte for byte in docs/reference/formats.md.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from ledger.domain.errors import ProofRefused
from ledger.evidence.note import NOTE_SIZE_MAX, Signer, VerifierKey, open_note, parse_verifier, strict_base64
from ledger.evidence.proof import Proven, verify_proof
from ledger.evidence.tree import leaf_hash

FIRST: Final = "pdl-certificate/1"
ORDERED: Final = "ledger.erasure.ordered.v1"
DESTROYED: Final = "ledger.keys.destroyed.v1"
RESIDUES: Final = (
    "A pseudonym (random), the kind and time of each fact, and ids of the statement stay in the log until its own retention ends.",
    "Whoever has an identifier and the fence key of the organisation can ask whether it was once erased.",
    "Copies of keys that were made outside this program, and what people saw or wrote down, are not covered.",
    "Kafka topics, files and backups of producers hold what was published, as long as their own retention says.",
    "The order that is published to a system names the person to that system.",
)
"""What stays behind after every erasure, and is not claimed to be gone."""
APPROVALS: Final = {
    "none": "nobody beside the one who ordered it had to agree",
    "two-people": "two approvers signed the order",
    "cooling-off": "nobody else had to agree, after a time in which it could be halted",
    "automatic": "a run of the retention periods, under its brake",
}
_SECTIONS: Final = ("Order", "Destroyed", "Stays", "Systems", "Recipients", "Identities", "Not claimed", "Proofs")
_LEAF: Final = re.compile(rb"pdl/1 ([^ \n]+) ([0-9]+) ([^ \n]+)\n(.*)\n", re.DOTALL)
_SIGNATURES: Final = 2


class Signed(NamedTuple):
    """An approval: who signed in which role, with which public key (32 bytes), when it was handed in, and the note."""

    name: str
    role: str
    public: bytes
    at: str
    note: str


class Asked(NamedTuple):
    """A task: its id, the system or recipient, where, and what came of it, when."""

    task: str
    target: str
    activity: str
    client: str
    state: str
    at: str


class About(NamedTuple):
    """Everything that a certificate says. Times are RFC 3339; "" where something is not known or does not apply.

    `keys` are (key id, dataset, client), `stays` (dataset, client, outcome, statute); `proofs` are the C2SP proofs of
    the order and of the destruction; `supplements` is the SHA-256 (hex) of certificate number 1.
    """

    ledger: str
    case: str
    number: int
    supplements: str
    issued: str
    organisation: str
    person: str
    ground: str
    ordered: str
    order: str
    approval: str
    signed: Sequence[Signed]
    use_stopped: str
    irreversible: str
    alone: bool
    keys: Sequence[tuple[str, str, str]]
    stays: Sequence[tuple[str, str, str, str]]
    systems: Sequence[Asked]
    recipients: Sequence[Asked]
    letter: str
    schemes: Sequence[str]
    unlinked: int
    proofs: tuple[str, str]


class Verdict(NamedTuple):
    """What verifying found: whether all holds, what does not, and whose certificate it is."""

    ok: bool
    problems: tuple[str, ...]
    case: str | None = None
    number: int | None = None
    key: str | None = None


def compose(about: About, signer: Signer) -> str:
    """The certificate as a signed text."""
    return signer.sign(_text(about, str(signer.key)))


def substance(text: str) -> str:
    """What a certificate says, without its number, its date and its proofs: a supplement is due when this changes."""
    return text[text.index("\nOrder\n") : text.index("\nProofs\n")]


def digest(text: str) -> str:
    """The SHA-256 of a certificate file, by which a supplement names the first."""
    return sha256(text.encode()).hexdigest()


def _text(about: About, key: str) -> str:
    lines = [
        FIRST,
        "Certificate of erasure" if about.number == 1 else "Supplement to a certificate of erasure",
        "",
        f"ledger {about.ledger}",
        f"key {key}",
        f"case {about.case}",
        f"number {about.number}",
        *([f"supplements {about.supplements}"] if about.supplements else []),
        f"issued {about.issued}",
        *_section("Order", _order(about)),
        *_section("Destroyed", _destroyed(about)),
        *_section("Stays", [f"dataset {' '.join(map(_word, row))}" for row in about.stays] or ["nothing"]),
        *_section("Systems", _asked(about.systems)),
        *_section("Recipients", [*_asked(about.recipients), f"letter-to-the-person {about.letter or 'none'}"]),
        *_section("Identities", [f"schemes {' '.join(about.schemes) or '-'}", f"sharing-a-weak-identifier-and-not-covered {about.unlinked}"]),
        *_section("Not claimed", [f"- {residue}" for residue in RESIDUES]),
        *_section("Proofs", _proofs(about)),
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in lines)


def _order(about: About) -> list[str]:
    return [
        f"organisation {about.organisation}",
        f"person {about.person}",
        f"ground {about.ground}",
        f"ordered {about.ordered}",
        f"order {about.order}",
        f"approval {about.approval}: {APPROVALS.get(about.approval, 'unknown')}",
        *(f"signed {each.name} {each.role} {b64encode(each.public).decode()} {each.at}" for each in about.signed),
    ]


def _destroyed(about: About) -> list[str]:
    mirror = "none: alone = true, the keys had no mirror" if about.alone else "confirmed"
    return [
        f"use-stopped {about.use_stopped}",
        f"irreversible {about.irreversible or 'not claimed: copies of the key database from before still open'}",
        f"mirror {mirror}",
        *(f"key {' '.join(map(_word, row))}" for row in about.keys),
    ]


def _asked(rows: Iterable[Asked]) -> list[str]:
    return [f"task {' '.join(map(_word, row))}" for row in rows] or ["nobody"]


def _proofs(about: About) -> list[str]:
    order, destroyed = about.proofs
    return [
        f"order {_base64(order)}",
        f"destroyed {_base64(destroyed)}",
        *(f"approval {_base64(each.note)}" for each in about.signed),
    ]


def _section(name: str, lines: Iterable[str]) -> list[str]:
    return ["", name, *lines]


def _word(part: object) -> str:
    return str(part).replace(" ", "_") or "-"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


# --- verifying --------------------------------------------------------------------------------------------------------


def verify(content: bytes, believed: VerifierKey | None = None) -> Verdict:
    """Verify a certificate offline.

    `believed` is the ledger's key as it was got elsewhere; without it the key in the file is taken, which shows that the
    file is whole, not whose it is.
    1. It is UTF-8 text of the form. 2. The key in it signed exactly this text, and nothing follows. 3. That key is
    the believed one. 4. The order stands in the tree that this key signed, hashes to what was approved, and says the
    same. 5. So does the destruction. 6. As many approvers signed that order as its approval asks for.
    """
    try:
        text, key, fields = _opened(content)
    except ProofRefused as error:
        return Verdict(ok=False, problems=(str(error),))
    problems = [] if believed in {None, key} else [f"it is signed by {key.name}, not by the key that is believed"]
    try:
        _check(fields, _sections(text), key)
    except (ProofRefused, msgspec.MsgspecError, ValueError, KeyError, IndexError, TypeError) as error:
        problems.append(
            str(error) if isinstance(error, ProofRefused) else "a line of the certificate is not of its form"
        )
    number = int(fields["number"]) if fields["number"].isdigit() else None
    return Verdict(ok=not problems, problems=tuple(problems), case=fields["case"], number=number, key=str(key))


def _opened(content: bytes) -> tuple[str, VerifierKey, dict[str, str]]:
    if len(content) > NOTE_SIZE_MAX:
        raise ProofRefused("this is longer than any certificate")
    try:
        note = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProofRefused("this is not UTF-8 text") from error
    if not note.startswith(f"{FIRST}\n"):
        raise ProofRefused(f"this is no certificate: it begins with {FIRST}")
    fields = _fields(note.partition("\nOrder\n")[0].split("\n"))
    if not {"ledger", "key", "case", "number", "issued"} <= fields.keys():
        raise ProofRefused("the head of the certificate is not whole")
    key = parse_verifier(fields["key"])
    text, _ = open_note(note, [key])
    signature = note[len(text) :].split("\n")
    if len(signature) != 3 or signature[0] or signature[2]:  # noqa: PLR2004 - empty line, one signature, end
        raise ProofRefused("a certificate has exactly one signature, and nothing after it")
    if fields["ledger"] != key.name:
        raise ProofRefused("the certificate is of another ledger than its key")
    return text, key, fields


def _check(fields: dict[str, str], sections: dict[str, list[str]], key: VerifierKey) -> None:
    said, proofs = _fields(sections["Order"]), _fields(sections["Proofs"])
    ordered, order = _decision(proofs, "order", ORDERED, fields["case"], key)
    same = ("organisation", "person", "approval")
    if leaf_hash(ordered.leaf).hex() != said.get("order") or order["at"] != said.get("ordered"):
        raise ProofRefused("the order in the log is another than the certificate says")
    if [said.get(name, "").partition(":")[0] for name in same] != [order[name] for name in same]:
        raise ProofRefused("the order in the log is about somebody or something else")
    _, gone = _decision(proofs, "destroyed", DESTROYED, fields["case"], key)
    keys = sorted(line.split(" ")[1] for line in sections["Destroyed"] if line.startswith("key "))
    if keys != sorted(gone["key_ids"]) or gone["at"] != _fields(sections["Destroyed"]).get("use-stopped"):
        raise ProofRefused("the keys or the time of the destruction are not those in the log")
    if order["approval"] == "two-people":
        _check_approvals(fields, sections, str(said["order"]))


def _decision(
    proofs: dict[str, str], name: str, topic: str, case: str, key: VerifierKey
) -> tuple[Proven, dict[str, Any]]:
    raw = strict_base64(proofs.get(name, ""))
    if not raw:
        raise ProofRefused(f"the proof of the {name} is missing")
    proven = verify_proof(raw.decode("utf-8", "replace"), key)
    form = _LEAF.fullmatch(proven.leaf)
    if form is None or (form[1].decode(), form[3].decode()) != (case, topic):
        raise ProofRefused(f"the proof of the {name} is of something else in the log")
    return proven, msgspec.json.decode(form[4], type=dict[str, Any])


def _check_approvals(fields: dict[str, str], sections: dict[str, list[str]], order: str) -> None:
    rows = [line.split(" ")[1:] for line in sections["Order"] if line.startswith("signed ")]
    notes = [b64decode(line.split(" ")[1]).decode() for line in sections["Proofs"] if line.startswith("approval ")]
    if len({row[2] for row in rows}) < _SIGNATURES or len(rows) != len(notes):
        raise ProofRefused("two people had to sign the order, and the certificate does not show two signatures")
    for (name, role, public, at), note in zip(rows, notes, strict=True):
        text, _ = open_note(note, [VerifierKey(name, b64decode(public))])
        said = _fields(text.split("\n"))
        wanted = (fields["ledger"].rpartition("/")[2], fields["case"], order, "approve", role)
        if tuple(said.get(part) for part in ("ledger", "case", "order", "word", "role")) != wanted:
            raise ProofRefused(f"the approval of {name} is of something else than this order")
        if not datetime.fromisoformat(at) < datetime.fromisoformat(said["expires"]):
            raise ProofRefused(f"the approval of {name} had expired")


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for before, line in zip(["", *text.split("\n")], text.split("\n"), strict=False):
        if not before and line in _SECTIONS:
            name = line
        elif line:
            found.setdefault(name, []).append(line)
    if not set(_SECTIONS) <= found.keys():
        raise ProofRefused("a section of the certificate is missing")
    return found


def _fields(lines: Iterable[str]) -> dict[str, str]:
    """The first value under each name."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(" ")
        found.setdefault(name, value)
    return found
