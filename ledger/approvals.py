"""Two people sign: an approval or objection is a signed note over the hash of the order, and it expires.

The hash is that of the order's evidence leaf, so that what was signed is what stands in the log. The text of
a note is documented byte for byte in docs/reference/formats.md. Law: GDPR Art. 38(6), the data protection
officer supervises and never executes: their key may object, not approve.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from ledger.decisions import Approver
from ledger.domain.calendar import Duration, duration
from ledger.domain.errors import ApprovalRefused, ProofRefused
from ledger.evidence.note import Signer, VerifierKey, is_key_name, open_note
from ledger.evidence.tree import leaf_hash
from ledger.sealing import Record, leaf_of

Word = Literal["approve", "object"]
DPO: Final = "dpo"
ROLES: Final = ("privacy-officer", "security-officer", "manager", DPO)
"""What an approver may be. The data protection officer (FG) objects and halts, and never approves."""
SIGNATURES: Final = 2
VALID: Final = Duration(days=7)
VALID_AT_MOST: Final = timedelta(days=31)
_FIRST: Final = "pdl-approval/1"
_FIELDS: Final = ("ledger", "case", "order", "word", "role", "signed", "expires")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class Approval(NamedTuple):
    """What a note says: about which order of which ledger, the word, in which role, from when until when."""

    ledger: str
    case: str
    order: str
    word: str
    role: str
    signed: datetime
    expires: datetime

    def __str__(self) -> str:
        times = {"signed": self.signed.isoformat(), "expires": self.expires.isoformat()}
        said = self._asdict() | times
        return "".join(f"{line}\n" for line in (_FIRST, *(f"{name} {said[name]}" for name in _FIELDS)))


def order_hash(record: Record) -> str:
    """The hash (hex) of an order as it stands in the log: that of its evidence leaf."""
    return leaf_hash(leaf_of(record.stream, record.version, record.topic, record.state)).hex()


def sign(signer: Signer, approval: Approval) -> str:
    """The note that approves or objects."""
    return signer.sign(str(approval))


def expires_at(signed: datetime, valid: str | None) -> datetime:
    """When an approval of that duration (ISO 8601; None: P7D) ends. Raises ApprovalRefused beyond 31 days."""
    length = VALID if valid is None else duration(valid)
    if length is None or length.months:
        raise ApprovalRefused("how long an approval is valid is a duration of days or hours, such as P7D or PT12H")
    end = signed + timedelta(days=min(length.days, 100), hours=min(length.hours, 10_000))
    if not signed < end <= signed + VALID_AT_MOST:
        raise ApprovalRefused("an approval is valid for at most 31 days")
    return end


def judge_approval(
    note: str,
    approvers: Iterable[Approver],
    *,
    ledger: str,
    case: str,
    order: str,
    word: Word,
    signed_before: Collection[str],
    now: datetime,
) -> tuple[Approver, Approval]:
    """Who signed a note, and what it says; raises ApprovalRefused unless it holds for exactly this order, now.

    1. A known key that still counts signed it. 2. It is about this ledger, case and order: an altered order has
    another hash. 3. It says what is asked, in the role that the key has, and the data protection officer
    never approves. 4. It is in force: signed not in the future, not expired, not longer than allowed. 5. This
    approver has not signed before, and neither has this very key.
    """
    living = [approver for approver in approvers if not approver.left]
    known = {VerifierKey(each.name, bytes.fromhex(each.public)): each for each in living}
    try:
        text, signers = open_note(note, known.keys())
        said = parse_approval(text)
    except (ProofRefused, TypeError) as error:
        raise ApprovalRefused(f"this is no approval of a known approver: {error}") from error
    if len(signers) != 1:
        raise ApprovalRefused("an approval has one signature; each approver signs their own")
    approver = known[signers[0]]
    if (said.ledger, said.case, said.order) != (ledger, case, order):
        raise ApprovalRefused("this approval is of another order; look at the order, and sign what it says now")
    if said.word != word or said.role != approver.role:
        raise ApprovalRefused("the approval says something else than asked, or names another role than the key has")
    if word == "approve" and approver.role == DPO:
        raise ApprovalRefused("the data protection officer may object, and never approves (GDPR Art. 38(6))")
    if not said.signed - timedelta(minutes=5) <= now < said.expires or said.expires > said.signed + VALID_AT_MOST:
        raise ApprovalRefused("this approval has expired, or begins in the future; sign anew")
    if approver.name in signed_before:
        raise ApprovalRefused(f"{approver.name} signed already; a second person must")
    return approver, said


def in_force(approvals: Iterable[Sequence[str]], approvers: Iterable[Approver], now: datetime) -> list[str]:
    """The names of those whose approval [name, role, expires, ...] still counts."""
    living = {approver.name for approver in approvers if not approver.left}
    return sorted(
        {name for name, _, expires, *_ in approvals if name in living and now < datetime.fromisoformat(expires)}
    )


def parse_approval(text: str) -> Approval:
    """What the text of a note says, byte-exact; raises ProofRefused for anything else."""
    lines = text.split("\n")
    if len(lines) != len(_FIELDS) + 2 or lines[0] != _FIRST or lines[-1]:
        raise ProofRefused(f"an approval begins with {_FIRST} and has one line for each of {', '.join(_FIELDS)}")
    parts = [line.partition(" ") for line in lines[1:-1]]
    if tuple(name for name, _, _ in parts) != _FIELDS or not all(value for _, _, value in parts):
        raise ProofRefused(f"the lines of an approval are {', '.join(_FIELDS)}, in this order")
    said = {name: value for name, _, value in parts}
    try:
        signed, expires = (datetime.fromisoformat(said[name]) for name in ("signed", "expires"))
    except ValueError as error:
        raise ProofRefused("the times of an approval are RFC 3339") from error
    if signed.tzinfo is None or expires.tzinfo is None or not _HASH.fullmatch(said["order"]):
        raise ProofRefused("the times of an approval have a zone, and the order is a SHA-256 in hex")
    found = Approval(said["ledger"], said["case"], said["order"], said["word"], said["role"], signed, expires)
    if str(found) != text:
        raise ProofRefused("the approval is not in its only form")
    return found


def checked_name(name: str) -> str:
    """The name of an approver: an account id that may stand in a signature; raises ApprovalRefused."""
    if not is_key_name(name) or len(name) > 100:  # noqa: PLR2004 - longer is no account id
        raise ApprovalRefused("an approver is named by an account id without spaces or plus signs, never by a name")
    return name


__all__ = [
    "DPO",
    "ROLES",
    "SIGNATURES",
    "Approval",
    "checked_name",
    "expires_at",
    "in_force",
    "judge_approval",
    "order_hash",
    "parse_approval",
    "sign",
]
