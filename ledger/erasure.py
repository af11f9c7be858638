"""Erasing: one guard on every destructive path, the intent in the log before any key goes, repeatable at every step.

Life of an erasure: order (in the log) - destroy keys (in the key database, with its journal) - say so (in the
log; the generation moves) - close. A crash anywhere leaves an open case; `resume` takes it to its end.
Law: GDPR Art. 17(1), 17(3), 18(1)(b) and (c). Orders to systems and recipients (Art. 19) follow the same case.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from ledger.decisions import CLOSED, DESTROYED, ORDERED, Decisions, ErasureCase
from ledger.domain.errors import ErasureRefused
from ledger.keys import IDENTITY, Key, KeyStore, Scope
from ledger.sealing import ORGANISATION, TOKEN_MARK, Chance
from ledger.store import EventLog

REASONS: Final = ("retention", "request", "withdrawal", "instruction", "unsolicited")
"""The grounds of the contract; any other text of an operator is sealed, since it may name the person."""

Result = Literal["erased", "held", "nothing-held"]
State = Literal["erased", "partly", "refused", "nothing-held", "pending"]


class Standing(NamedTuple):
    """What the registers know of one dataset of a person when an erasure is asked for."""

    dataset: str
    """activity/dataset"""
    client: str
    held: bool
    statute: str | None = None
    until: str | None = None


class DatasetOutcome(NamedTuple):
    """What becomes of one dataset, and which statute keeps it if it stays."""

    dataset: str
    client: str
    outcome: Result
    statute: str | None
    until: str | None
    keys: int


class Plan(NamedTuple):
    """What an erasure would do: the keys that go, and every dataset's outcome."""

    scopes: tuple[tuple[Scope, str], ...]
    datasets: tuple[DatasetOutcome, ...]

    @property
    def state(self) -> State:
        """The answer in a word."""
        if self.scopes:
            return "partly" if any(row.outcome == "held" for row in self.datasets) else "erased"
        return "refused" if any(row.outcome == "held" for row in self.datasets) else "nothing-held"


class Outcome(NamedTuple):
    """An erasure as it was carried out (or rehearsed): its case and what became of each dataset."""

    case: str | None
    state: State
    datasets: tuple[DatasetOutcome, ...]


def plan(
    live: Sequence[tuple[Scope, str]],
    standings: Iterable[Standing],
    wanted: str | None = None,
    client: str | None = None,
) -> Plan:
    """Decide what goes and what stays; pure.

    `live` are the person's scopes with their key ids, `wanted` a dataset ("activity/dataset" or "dataset" alone;
    None: the whole person), `client` on whose behalf it is kept ("" for the organisation itself; None: whoever's).
    A held dataset stays and is named; the rest goes. What names the person goes with the last other dataset.
    """
    by_place: dict[tuple[str, str], Standing] = {}
    for standing in standings:
        known = by_place.get((standing.dataset, standing.client))
        if known is None or (standing.held and not known.held):
            by_place[standing.dataset, standing.client] = standing
    data = {(scope.dataset, scope.client): (scope, key) for scope, key in live if scope.dataset != IDENTITY}
    asked = sorted(
        place for place in data.keys() | by_place.keys() if _is_wanted(place[0], wanted) and client in (None, place[1])
    )
    rows = [_outcome(place, by_place.get(place), place in data) for place in asked]
    going = [data[row.dataset, row.client] for row in rows if row.outcome == "erased"]
    stays = data.keys() - {(scope.dataset, scope.client) for scope, _ in going}
    whole = wanted is None or bool(going)
    held = any(row.outcome == "held" for row in rows)
    if whole and not held:
        going += [(scope, key) for scope, key in live if scope.dataset == IDENTITY and not _others(stays, scope.client)]
    if any(scope.dataset == IDENTITY for scope, _ in going):
        rows.append(
            DatasetOutcome(IDENTITY, "", "erased", None, None, sum(scope.dataset == IDENTITY for scope, _ in going))
        )
    return Plan(tuple(going), tuple(rows))


def _is_wanted(dataset: str, wanted: str | None) -> bool:
    return wanted is None or dataset == wanted or dataset.rpartition("/")[2] == wanted


def _others(stays: Collection[tuple[str, str]], client: str) -> bool:
    """Whether other datasets stay for that client; without a client, whether any stay at all."""
    return any(not client or place[1] == client for place in stays)


def _outcome(place: tuple[str, str], standing: Standing | None, has_key: bool) -> DatasetOutcome:
    if standing is not None and standing.held:
        return DatasetOutcome(*place, "held", standing.statute, standing.until, int(has_key))
    return DatasetOutcome(*place, "erased" if has_key else "nothing-held", None, None, int(has_key))


class Erasures:
    """Carries erasures out, one case each; what is half done after a crash is finished by `resume`."""

    def __init__(
        self, log: EventLog, keys: KeyStore, clock: Callable[[], datetime], *, approval: str, alone: bool
    ) -> None:
        self._log, self._keys, self._clock = log, keys, clock
        self._decisions = Decisions(log.recorder)
        self._approval, self._alone = approval, alone

    def rehearse(
        self, person: str, standings: Iterable[Standing], dataset: str | None = None, client: str | None = None
    ) -> Outcome:
        """Say what an erasure would do, and touch nothing."""
        planned = plan(self._keys.scopes_of(person), standings, dataset, client)
        return Outcome(None, planned.state, planned.datasets)

    def erase(
        self,
        organisation: str,
        person: str,
        standings: Iterable[Standing],
        *,
        reason: str,
        dataset: str | None = None,
        client: str | None = None,
    ) -> Outcome:
        """Erase a person or one dataset; what is held stays and is named. A refusal is recorded too."""
        planned = plan(self._keys.scopes_of(person), standings, dataset, client)
        at = self._clock().isoformat()
        case = f"case-{Chance(8).take(8)}"
        kept = [
            [row.dataset, row.client, row.outcome, row.statute or ""]
            for row in planned.datasets
            if row.outcome != "erased"
        ]
        said = self.sealed_reason(organisation, reason)
        if not planned.scopes:
            if planned.state == "refused":
                self._decisions.save(
                    ErasureCase.refuse(case, organisation=organisation, person=person, kept=kept, reason=said, at=at)
                )
                return Outcome(case, planned.state, planned.datasets)
            return Outcome(None, planned.state, planned.datasets)
        scopes = [[scope.client, scope.dataset, key] for scope, key in planned.scopes]
        self._decisions.save(
            ErasureCase.order(
                case,
                organisation=organisation,
                person=person,
                scopes=scopes,
                kept=kept,
                reason=said,
                approval=self._approval,
                alone=self._alone,
                at=at,
            )
        )
        return Outcome(case, planned.state if self.carry_on(case) else "pending", planned.datasets)

    def carry_on(self, case: str) -> bool:
        """Take a case from wherever it stands to its end; every step may be repeated.

        False while a reader of the key database still holds an older state of it: use has stopped, but bytes of
        wrapped keys may remain in its write-ahead file. The case stays open, and `resume` closes it.
        """
        erasure = self._decisions.case(case)
        if not erasure.destroyed:
            generation = self._log.generation() + 1
            scopes = [
                Scope(erasure.organisation, client, erasure.person, dataset) for client, dataset, _ in erasure.scopes
            ]
            at = self._clock()
            destroyed = self._keys.destroy(scopes, case=case, generation=generation, at=at)
            erasure.keys_destroyed(destroyed.key_ids, at.isoformat())
            self._decisions.save(erasure)
            self._keys.forget(generation)
        if erasure.closed:
            return True
        if self._keys.settle():
            return False
        erasure.close(self._clock().isoformat())
        self._decisions.save(erasure)
        return True

    def open_cases(self) -> list[str]:
        """Cases that were ordered and not closed: a crash came between."""
        closed = {record.stream for record in self._log.decisions(CLOSED)}
        return [record.stream for record in self._log.decisions(ORDERED) if record.stream not in closed]

    def resume(self) -> list[str]:
        """Finish every open case; returns their ids."""
        cases = self.open_cases()
        for case in cases:
            self.carry_on(case)
        return cases

    def sealed_reason(self, organisation: str, reason: str) -> str:
        """A ground of the contract as it is; any other text sealed under the organisation's own key."""
        if reason in REASONS:
            return reason
        scope = Scope(organisation, "", "", ORGANISATION)
        key = self._keys.obtain({scope})[scope]
        if not isinstance(key, Key):
            raise ErasureRefused(
                f"the organisation key of {organisation} is gone; restore the key database before erasing"
            )
        nonce = Chance(12).take(12)
        sealed = key.aead.encrypt(bytes.fromhex(nonce), reason.encode(), b"reason")
        return f"{TOKEN_MARK}{key.id}.{nonce}.{sealed.hex()}"


__all__ = ["DESTROYED", "REASONS", "DatasetOutcome", "Erasures", "Outcome", "Plan", "Standing", "plan"]
