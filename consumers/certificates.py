"""Certificates of the cases of one ledger: composed from the log, kept in the log, given again as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.approvals import order_hash
from ledger.decisions import DESTROYED, ORDERED
from ledger.domain.errors import ErasureRefused
from ledger.evidence.certificate import About, Asked, Signed, compose, digest, substance
from ledger.evidence.proof import make_proof
from ledger.sealing import leaf_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.wiring import Wired
    from ledger.decisions import ErasureCase
    from ledger.sealing import Record


def current(wired: Wired, case: str) -> str | None:
    """The newest certificate of a case, if what it says still is so; None where one is due. The registers must be up to date."""
    erasure = _certifiable(wired, case)
    if not erasure.certificates:
        return None
    last = erasure.certificates[-1]
    return last if substance(last) == substance(_composed(wired, erasure)) else None


def issue(wired: Wired, case: str) -> str:
    """The certificate of a case as it stands now: the one that was given, or a new one or a supplement, kept in the log first."""
    found = current(wired, case)
    if found is not None:
        return found
    erasure = _certifiable(wired, case)
    text = _composed(wired, erasure)
    erasure.certify(text, wired.clock().isoformat())
    wired.erasures.decisions.save(erasure)
    return text


def _certifiable(wired: Wired, case: str) -> ErasureCase:
    erasure = wired.erasures.decisions.case(case)
    if not erasure.destroyed:
        raise ErasureRefused(f"in {case} nothing was destroyed, so there is nothing to certify; see `pdl case show`")
    return erasure


def _composed(wired: Wired, erasure: ErasureCase) -> str:
    return compose(_about(wired, erasure), wired.signer)


def _about(wired: Wired, erasure: ErasureCase) -> About:
    names = wired.ledger.names()

    def name(shown: str | None) -> str:
        return names.get((erasure.organisation, shown or ""), shown or "")

    tasks = wired.registers.tasks(erasure.id, wired.clock())
    records = {record.topic: record for record in _decisions(wired, erasure.id)}
    order = records[ORDERED]
    datasets = {key: (dataset, name(client)) for client, dataset, key in erasure.scopes}
    approvers = {each.name: bytes.fromhex(each.public) for each in wired.erasures.decisions.approvers(wired.log)}
    final = wired.keys.finality([erasure.id]).get(erasure.id)
    return About(
        ledger=wired.signer.key.name,
        case=erasure.id,
        number=len(erasure.certificates) + 1,
        supplements=digest(erasure.certificates[0]) if erasure.certificates else "",
        issued=wired.clock().isoformat(),
        organisation=erasure.organisation,
        person=erasure.person,
        ground="(other, sealed)" if erasure.reason.startswith("~") else erasure.reason,
        ordered=erasure.ordered,
        order=order_hash(order),
        approval=erasure.approval,
        signed=[Signed(who, role, approvers[who], at, note) for who, role, _, note, at in erasure.approvals],
        use_stopped=erasure.use_stopped,
        irreversible="" if final is None or final.irreversible is None else final.irreversible.isoformat(),
        alone=erasure.alone if final is None or final.irreversible is None else not final.mirrored,
        keys=[(key, *datasets.get(key, ("-", ""))) for key in sorted(erasure.key_ids)],
        stays=[(dataset, name(client), outcome, name(statute)) for dataset, client, outcome, statute in erasure.kept],
        systems=list(_asked((row for row in tasks if row["kind"] == "order"), name)),
        recipients=list(_asked((row for row in tasks if row["kind"] == "notice"), name)),
        letter=_letter(erasure, tasks),
        schemes=erasure.schemes,
        unlinked=erasure.unlinked,
        proofs=(_proof(wired, order), _proof(wired, records[DESTROYED])),
    )


def _asked(rows: Iterable[dict[str, Any]], name: Any) -> Iterable[Asked]:
    for row in rows:
        when = row["answered"] or row["sent"] or row["prepared"]
        yield Asked(row["task"], name(row["target"]), row["activity"] or "", name(row["client"]), row["state"], when)


def _letter(erasure: ErasureCase, tasks: Iterable[dict[str, Any]]) -> str:
    sent = next((row["sent"] for row in tasks if row["kind"] == "confirmation" and row["sent"]), None)
    if sent is not None:
        return f"sent {sent}"
    if not erasure.sealed:
        return ""
    return "destroyed unsent" if erasure.forgotten else "written"


def _decisions(wired: Wired, case: str) -> Iterable[Record]:
    for topic in (ORDERED, DESTROYED):
        yield from (record for record in wired.log.decisions(topic) if record.stream == case)


def _proof(wired: Wired, record: Record) -> str:
    """The C2SP proof of a decision under the newest checkpoint."""
    note = wired.checkpoint()
    size = int(note.split("\n", 2)[1])
    leaf = leaf_of(record.stream, record.version, record.topic, record.state)
    return str(make_proof(record.position - 1, leaf, size, wired.tile, note))
