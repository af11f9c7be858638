"""Erasing: one guard on every destructive path, the intent in the log before any key goes, repeatable at every step.

Life of an erasure: order (in the log) - agree (signatures, or a cooling-off, if the settings ask for it) - prepare
(the guard once more; everything needed afterwards is sealed under the case's own key) - destroy (in the key database,
with its journal) - say so (in the log; the generation moves) - close - follow up. A crash anywhere leaves an open
case; `resume` takes it to its end. Law: GDPR Art. 17(1), 17(3), 18(1)(b) and (c), 19, 38(6).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
from cryptography.exceptions import InvalidTag

from ledger.approvals import SIGNATURES, Approval, Word, checked_name, in_force, judge_approval, order_hash
from ledger.decisions import CLOSED, DESTROYED, FORGOTTEN, OBJECTED, ORDERED, Approver, Decisions, ErasureCase
from ledger.domain.calendar import Duration, duration, late_from, local
from ledger.domain.errors import ApprovalRefused, ErasureRefused, Tampered, Unreadable
from ledger.keys import IDENTITY, Erased, Key, KeyStore, Order, Scope
from ledger.sealing import ORGANISATION, TOKEN_MARK, Chance
from ledger.store import EventLog

REASONS: Final = ("retention", "request", "withdrawal", "instruction", "unsolicited")
"""The grounds of the contract; any other text of an operator is sealed, since it may name the person."""

CASE: Final = "case"
"""The dataset of a case's own key, whose person is the case."""

Result = Literal["erased", "held", "nothing-held"]
State = Literal["erased", "partly", "refused", "nothing-held", "pending", "waiting"]
Progress = Literal["done", "pending", "waiting", "refused"]


class Standing(NamedTuple):
    """What the registers know of one dataset of a person when an erasure is asked for."""

    dataset: str
    """activity/dataset"""
    client: str
    held: bool
    statute: str | None = None
    until: str | None = None
    reference: str | None = None


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
    """An erasure as it was carried out (or rehearsed): its case, what became of each dataset, the keys that go."""

    case: str | None
    state: State
    datasets: tuple[DatasetOutcome, ...]
    scopes: tuple[tuple[Scope, str], ...] = ()


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
    named = {place: by_place.pop(place) for place in list(by_place) if place[0] == IDENTITY}
    data = {(scope.dataset, scope.client): (scope, key) for scope, key in live if scope.dataset != IDENTITY}
    asked = sorted(
        place for place in data.keys() | by_place.keys() if _is_wanted(place[0], wanted) and client in (None, place[1])
    )
    rows = [_outcome(place, by_place.get(place), place in data) for place in asked]
    going = [data[row.dataset, row.client] for row in rows if row.outcome == "erased"]
    stays = data.keys() - {(scope.dataset, scope.client) for scope, _ in going}
    whole = wanted is None or bool(going)
    held = any(row.outcome == "held" for row in rows)
    leaving = []
    for scope, key in live if whole and not held else ():
        if scope.dataset == IDENTITY and client in (None, scope.client) and not _others(stays, scope.client):
            standing = named.get((IDENTITY, scope.client), Standing(IDENTITY, scope.client, held=False))
            if standing.held and not data:
                rows.append(_outcome((IDENTITY, scope.client), standing, has_key=True))
            elif not standing.held:
                leaving.append((scope, key))
    if leaving:
        rows.append(DatasetOutcome(IDENTITY, "", "erased", None, None, len(leaving)))
    return Plan((*going, *leaving), tuple(rows))


_WAITS: Final[dict[str, State]] = {"waiting": "waiting", "pending": "pending"}


def _case_scope(erasure: ErasureCase) -> Scope:
    return Scope(erasure.organisation, "", erasure.id, CASE)


def tasks_aad(case: str) -> bytes:
    """The associated data under which the tasks of a case are sealed."""
    return f"tasks {case}".encode()


def _kept(planned: Plan) -> list[list[str]]:
    return [
        [row.dataset, row.client, row.outcome, row.statute or ""] for row in planned.datasets if row.outcome != "erased"
    ]


def _is_wanted(dataset: str, wanted: str | None) -> bool:
    return wanted is None or dataset == wanted or dataset.rpartition("/")[2] == wanted


def _identities(live: Iterable[tuple[Scope, str]]) -> set[tuple[str, str]]:
    return {(scope.dataset, scope.client) for scope, _ in live if scope.dataset == IDENTITY}


def _others(stays: Collection[tuple[str, str]], client: str) -> bool:
    """Whether other datasets stay for that client; without a client, whether any stay at all."""
    return any(not client or place[1] == client for place in stays)


def _outcome(place: tuple[str, str], standing: Standing | None, has_key: bool) -> DatasetOutcome:
    if standing is not None and standing.held:
        return DatasetOutcome(*place, "held", standing.statute, standing.until, int(has_key))
    return DatasetOutcome(*place, "erased" if has_key else "nothing-held", None, None, int(has_key))


class Task(NamedTuple):
    """One thing that must be done after the keys are gone, written down while they still open something.

    `kind` is order (to a system: delete), notice (to a recipient, Art. 19) or confirmation (to the person); `target`
    the system or recipient as headers show it ("" for none named); `due` when its answer is late (ISO 8601); `body`
    what is sealed under the case's key: identifiers, names, the letter.
    """

    kind: str
    target: str
    activity: str
    client: str
    due: str
    datasets: tuple[str, ...]
    body: Mapping[str, Any]


class Provision(NamedTuple):
    """Everything that a case needs afterwards.

    `schemes` are those of the identifiers that it covers, `unlinked` how many people only share a weak identifier with
    this one, `others` pseudonyms of the same person that have no key: the way to them goes with the last key.
    """

    tasks: tuple[Task, ...] = ()
    schemes: tuple[str, ...] = ()
    unlinked: int = 0
    others: tuple[str, ...] = ()


NOTHING: Final = Provision()


class Surroundings(Protocol):
    """What is known around a case: where the person stands now, and whom the erasure must reach."""

    def standings(self, person: str) -> Sequence[Standing]:
        """Where each dataset of a person stands now, for the guard."""
        ...

    def provide(self, case: ErasureCase, places: Collection[tuple[str, str]]) -> Provision:
        """Whom the erasure of these (client, dataset) must reach, and what to tell them; asked before the keys go."""
        ...


class Wish(NamedTuple):
    """What is to be erased of whom, and why; the fields of `Erasures.erase`."""

    organisation: str
    person: str
    standings: Iterable[Standing]
    reason: str
    dataset: str | None = None
    client: str | None = None


class Rules(NamedTuple):
    """How erasures are agreed to and followed up; the settings of the same names explain each."""

    approval: str = "none"
    alone: bool = True
    cooling_off: str = "P3D"
    answers: str = "P30D"


class Erasures:
    """Carries erasures out, one case each; what is half done after a crash is finished by `resume`."""

    def __init__(
        self,
        log: EventLog,
        keys: KeyStore,
        clock: Callable[[], datetime],
        *,
        approval: str = "none",
        alone: bool = True,
        rules: Rules | None = None,
    ) -> None:
        self._log, self._keys, self._clock = log, keys, clock
        self.decisions = Decisions(log.recorder)
        self.rules = rules or Rules(approval=approval, alone=alone)
        self.around: Surroundings | None = None
        """Who answers for the guard at the last moment; without it the standings of the order are believed."""

    def rehearse(
        self, person: str, standings: Iterable[Standing], dataset: str | None = None, client: str | None = None
    ) -> Outcome:
        """Say what an erasure would do, with which keys, and touch nothing."""
        planned = plan(self._keys.scopes_of(person), standings, dataset, client)
        return Outcome(None, planned.state, planned.datasets, planned.scopes)

    def erase(
        self,
        organisation: str,
        person: str,
        standings: Iterable[Standing],
        *,
        reason: str,
        dataset: str | None = None,
        client: str | None = None,
        automatic: bool = False,
    ) -> Outcome:
        """Order the erasure of a person or one dataset, and carry it out as far as it may go at once.

        What is held stays and is named. A refusal is recorded too. Where somebody has to agree, or time has to pass,
        the case waits (state `waiting`); `automatic` is a run of the retention periods, whose brake stands in for that.
        """
        wish = Wish(organisation, person, standings, reason, dataset, client)
        erasure, planned = self._order(wish, automatic=automatic)
        if erasure is None:
            return Outcome(None, planned.state, planned.datasets)
        self.decisions.save(erasure)
        return self._outcome(erasure, planned, self._carry_on([erasure])[erasure.id])

    def erase_many(self, wishes: Sequence[Wish], *, automatic: bool) -> list[Outcome]:
        """As `erase` for many, each a case of its own, with one transaction a step for all of them.

        No two wishes may be about one person: each plan must know what the one before it left.
        """
        ordered = [self._order(wish, automatic=automatic) for wish in wishes]
        cases = [erasure for erasure, _ in ordered if erasure is not None]
        self.decisions.save_all(cases)
        progress = self._carry_on(cases)
        return [
            Outcome(None, planned.state, planned.datasets)
            if erasure is None
            else self._outcome(erasure, planned, progress[erasure.id])
            for erasure, planned in ordered
        ]

    def _order(self, wish: Wish, *, automatic: bool) -> tuple[ErasureCase | None, Plan]:
        """The case that a wish begins, not saved yet: ordered or refused; None where there is nothing to destroy."""
        planned = plan(self._keys.scopes_of(wish.person), wish.standings, wish.dataset, wish.client)
        at = self._clock()
        case = f"case-{Chance(8).take(8)}"
        if not planned.scopes and planned.state != "refused":
            return None, planned
        common = {
            "organisation": wish.organisation,
            "person": wish.person,
            "kept": _kept(planned),
            "reason": self.sealed_reason(wish.organisation, wish.reason),
            "at": at.isoformat(),
        }
        if not planned.scopes:
            return ErasureCase.refuse(case, **common), planned
        approval = "automatic" if automatic else self.rules.approval
        erasure = ErasureCase.order(
            case,
            scopes=[[scope.client, scope.dataset, key] for scope, key in planned.scopes],
            approval=approval,
            alone=self.rules.alone,
            not_before=self._not_before(at) if approval == "cooling-off" else "",
            **common,
        )
        return erasure, planned

    def _outcome(self, erasure: ErasureCase, planned: Plan, progress: Progress) -> Outcome:
        if progress == "refused" and planned.state != "refused":
            return self._refused_late(erasure.id, planned)
        state: State = planned.state if progress in {"done", "refused"} else _WAITS[progress]
        return Outcome(erasure.id, state, planned.datasets)

    def _refused_late(self, case: str, planned: Plan) -> Outcome:
        held = {(row[0], row[1]): row[3] for row in self.decisions.case(case).kept}
        rows = tuple(
            row._replace(outcome="held", statute=held.get((row.dataset, row.client)) or row.statute)
            for row in planned.datasets
        )
        return Outcome(case, "refused", rows)

    def _not_before(self, at: datetime) -> str:
        return late_from(at, duration(self.rules.cooling_off) or Duration(days=3)).isoformat()

    def carry_on(self, case: str) -> Progress:
        """Take a case from wherever it stands as far as it may go; every step may be repeated.

        `waiting`: somebody has to agree first, or a cooling-off runs. `refused`: everything ordered is held by now.
        `pending`: a reader of the key database still holds an older state of it; use has stopped, but bytes of
        wrapped keys may remain in its write-ahead file. The case stays open, and `resume` closes it.
        """
        return self._carry_on([self.decisions.case(case)])[case]

    def _carry_on(self, cases: Sequence[ErasureCase]) -> dict[str, Progress]:
        """The same for many cases, step by step, each step in one transaction for all of them."""
        found: dict[str, Progress] = {case.id: "waiting" for case in cases if self.waits_for(case) is not None}
        found |= {case.id: "refused" for case in cases if case.over and not case.destroyed}
        left = [case for case in cases if case.id not in found]
        ready = [case for case in left if not case.destroyed]
        self._keys.obtain({_case_scope(case) for case in ready if not case.prepared})  # One transaction for all.
        for case in ready:
            self._prepare(case)
        self.decisions.save_all(ready)
        held = [case for case in ready if not case.scopes]
        found |= {case.id: "refused" for case in held}
        self._destroy([case for case in ready if case.scopes])
        if any(not case.closed for case in left) and self._keys.settle():
            pending: dict[str, Progress] = {case.id: "done" if case.closed else "pending" for case in left}
            return pending | found
        for case in left:
            case.close(self._now())
        self.decisions.save_all(left)
        done: dict[str, Progress] = {case.id: "done" for case in left}
        return done | found

    def _destroy(self, cases: Sequence[ErasureCase]) -> None:
        if not cases:
            return
        at, generation = self._clock(), self._log.generation() + 1
        orders = [
            Order(
                case.id,
                [Scope(case.organisation, client, case.person, dataset) for client, dataset, _ in case.scopes],
                case.others,
            )
            for case in cases
        ]
        destroyed = self._keys.destroy_each(orders, generation=generation, at=at)
        for case in cases:
            case.keys_destroyed(destroyed[case.id].key_ids, at.isoformat())
        self.decisions.save_all(cases)
        self._keys.forget(self._log.generation())

    def waits_for(self, erasure: ErasureCase) -> str | None:
        """What a case still needs before anything is destroyed, in words; None where nothing."""
        if erasure.over or erasure.destroyed:
            return None
        if erasure.approval == "two-people":
            signed = in_force(erasure.approvals, self.decisions.approvers(self._log), self._clock())
            missing = SIGNATURES - len(signed)
            return None if missing <= 0 else f"{missing} more signature{'s' * (missing > 1)}"
        if erasure.approval == "cooling-off" and self._clock() < datetime.fromisoformat(erasure.not_before):
            return f"the cooling-off until {local(datetime.fromisoformat(erasure.not_before)):%Y-%m-%d %H:%M}"
        return None

    def waits(self, case: str) -> bool:
        """Whether a case waits for somebody, or for time to pass."""
        return self.waits_for(self.decisions.case(case)) is not None

    def _prepare(self, erasure: ErasureCase) -> None:
        """Ask the guard once more, and write down everything that is needed once the keys are gone."""
        if self._begun(erasure):
            return
        going, kept = self._still_going(erasure)
        if erasure.prepared and {scope[:2] for scope in erasure.scopes} == {scope[:2] for scope in going}:
            return
        places = [(client, dataset) for client, dataset, _ in going]
        provided = NOTHING if self.around is None or not going else self.around.provide(erasure, places)
        key = self._case_key(erasure)
        tasks = [(f"{erasure.id}.{number}", task) for number, task in enumerate(provided.tasks, 1)]
        plain = msgspec.json.encode({id_: task.body for id_, task in tasks})
        nonce = Chance(12).take(12)
        erasure.prepare(
            scopes=[list(scope) for scope in going],
            kept=[list(row) for row in kept],
            tasks=[
                [id_, task.kind, task.target, task.activity, task.client, task.due, *task.datasets]
                for id_, task in tasks
            ],
            schemes=list(provided.schemes),
            unlinked=provided.unlinked,
            others=list(provided.others),
            key=key.id if key is not None and tasks else "",
            sealed=f"{nonce}.{key.aead.encrypt(bytes.fromhex(nonce), plain, tasks_aad(erasure.id)).hex()}"
            if key is not None and tasks
            else "",
            at=self._now(),
        )

    def _begun(self, erasure: ErasureCase) -> bool:
        """Whether keys of this case are gone already: then there is no way back."""
        found = self._keys.open([key for _, _, key in erasure.scopes])
        return any(isinstance(key, Erased) and key.case == erasure.id for key in found.values())

    def _still_going(self, erasure: ErasureCase) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        """The scopes of the order that nothing holds now, and what stays, each with its statute."""
        live = self._keys.scopes_of(erasure.person)
        alive = {key: scope for scope, key in live}
        ordered = [scope for scope in erasure.scopes if scope[2] in alive]
        held = {
            (row.client, row.dataset): row.statute or ""
            for row in (self.around.standings(erasure.person) if self.around is not None else ())
            if row.held
        }
        late = [scope for scope in ordered if (scope[0], scope[1]) in held]
        going = [scope for scope in ordered if scope not in late and scope[1] != IDENTITY]
        gone = {key for _, _, key in going}
        stays = {(scope.dataset, scope.client) for scope, key in live if key not in gone} - _identities(live)
        going += [scope for scope in ordered if scope[1] == IDENTITY and not late and not _others(stays, scope[0])]
        kept = [tuple(row) for row in erasure.kept]
        kept += [(dataset, client, "held", held[client, dataset]) for client, dataset, _ in late]
        return going, list(dict.fromkeys(kept))

    # --- what is done afterwards

    def _case_key(self, erasure: ErasureCase) -> Key | None:
        scope = _case_scope(erasure)
        key = self._keys.obtain({scope})[scope]
        return key if isinstance(key, Key) else None

    def tasks(self, erasure: ErasureCase) -> Mapping[str, dict[str, Any]] | Erased:
        """What each task of a case says, by its id; Erased once the case's key is gone."""
        if not erasure.sealed:
            return {}
        if erasure.forgotten:
            return Erased(erasure.key, erasure.id)
        key = self._keys.open({erasure.key})[erasure.key]
        if isinstance(key, Erased):
            return key
        nonce, _, sealed = erasure.sealed.partition(".")
        try:
            plain = key.aead.decrypt(bytes.fromhex(nonce), bytes.fromhex(sealed), tasks_aad(erasure.id))
        except (InvalidTag, ValueError) as error:
            raise Tampered(f"the tasks of {erasure.id} do not open with its key; run `pdl verify`") from error
        found: dict[str, dict[str, Any]] = msgspec.json.decode(plain)
        return found

    def follow_up(self, case: str, answered: Collection[str]) -> ErasureCase:
        """Say who is silent beyond the term, and let the case's key go at the last answer or after the term for answers."""
        erasure = self.decisions.case(case)
        if not erasure.destroyed or erasure.forgotten:
            return erasure
        now = self._clock()
        open_tasks = [task for task in erasure.tasks if task[0] not in answered]
        late = [task[0] for task in open_tasks if task[5] and datetime.fromisoformat(task[5]) <= now]
        erasure.escalate(late, now.isoformat())
        over = late_from(datetime.fromisoformat(erasure.use_stopped), duration(self.rules.answers) or Duration(days=30))
        why = "answered" if not open_tasks else "term" if over <= now else ""
        if why and erasure.key:
            erasure.forget_key(why, now.isoformat())
        self.decisions.save(erasure)
        if why and erasure.key:
            self._drop_key(erasure)
        return erasure

    def may_be_over(self, prepared: str) -> bool:
        """Whether the term for answers of a case that was prepared then may have passed."""
        begun = datetime.fromisoformat(prepared)
        return late_from(begun, duration(self.rules.answers) or Duration(days=30)) <= self._clock()

    def _drop_key(self, erasure: ErasureCase) -> None:
        scope = _case_scope(erasure)
        # A case of its own, so that the finality of the erasure is not moved to a later epoch.
        self._keys.destroy({scope}, case=f"{erasure.id}.key", generation=self._log.generation(), at=self._clock())
        self._keys.settle()

    # --- signatures

    def approve(self, case: str, note: str) -> ErasureCase:
        """Count a signature under a case's order; raises ApprovalRefused where it does not hold."""
        erasure = self._open_case(case)
        if erasure.approval != "two-people":
            raise ApprovalRefused(f"{case} waits for no signature: its approval is {erasure.approval}")
        approver, said = self._judged(erasure, note, "approve")
        erasure.approve(
            approver=approver.name, role=approver.role, expires=said.expires.isoformat(), note=note, at=self._now()
        )
        self.decisions.save(erasure)
        return erasure

    def object(self, case: str, note: str) -> ErasureCase:
        """Halt a case for good; raises ApprovalRefused where the signature does not hold or the keys are gone."""
        erasure = self._open_case(case)
        approver, _ = self._judged(erasure, note, "object")
        erasure.object(approver=approver.name, role=approver.role, note=note, at=self._now())
        self.decisions.save(erasure)
        return erasure

    def order_of(self, case: str) -> str:
        """The hash (hex) of a case's order, which approvals sign."""
        for record in self._log.decisions(ORDERED):
            if record.stream == case:
                return order_hash(record)
        raise Unreadable(f"{case} has no order; `pdl case list` has them all.")

    def _open_case(self, case: str) -> ErasureCase:
        erasure = self.decisions.case(case)
        if erasure.destroyed or erasure.over:
            raise ApprovalRefused(f"{case} is decided already: a signature changes nothing any more")
        return erasure

    def _judged(self, erasure: ErasureCase, note: str, word: Word) -> tuple[Approver, Approval]:
        return judge_approval(
            note,
            self.decisions.approvers(self._log),
            ledger=self._log.ledger_id,
            case=erasure.id,
            order=self.order_of(erasure.id),
            word=word,
            signed_before={approval[0] for approval in erasure.approvals} if word == "approve" else (),
            now=self._clock(),
        )

    def add_approver(self, name: str, role: str, public: bytes) -> Approver:
        """Make an approver's key known; raises ApprovalRefused where the name or the key is known already."""
        for known in self.decisions.approvers(self._log):
            if known.name == name or known.public == public.hex():
                raise ApprovalRefused(f"{known.name} is known already, with that name or that key; one key, one person")
        approver = Approver.add(
            f"approver-{Chance(8).take(8)}", name=checked_name(name), role=role, public=public.hex(), at=self._now()
        )
        self.decisions.save(approver)
        return approver

    def remove_approver(self, name: str) -> Approver:
        """Let an approver's signatures count no longer; those in force under open orders too."""
        for known in self.decisions.approvers(self._log):
            if known.name == name and not known.left:
                known.leave(self._now())
                self.decisions.save(known)
                return known
        raise ApprovalRefused("no approver of that name signs here; `pdl approver list` has them all")

    # --- after a crash

    def open_cases(self) -> list[str]:
        """Cases that were ordered and not closed: waiting for somebody, or a crash came between."""
        over = {record.stream for topic in (CLOSED, OBJECTED) for record in self._log.decisions(topic)}
        return [record.stream for record in self._log.decisions(ORDERED) if record.stream not in over]

    def resume(self) -> list[str]:
        """Finish every open case that nothing has to wait for; returns their ids."""
        for record in self._log.decisions(FORGOTTEN)[-1:]:  # Only the newest can have been interrupted.
            erasure = self.decisions.case(record.stream)
            if isinstance(self._keys.open({erasure.key})[erasure.key], Key):
                self._drop_key(erasure)
        return [case for case in self.open_cases() if self.carry_on(case) != "waiting"]

    def _now(self) -> str:
        return self._clock().isoformat()

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


__all__ = [
    "CASE",
    "DESTROYED",
    "REASONS",
    "DatasetOutcome",
    "Erasures",
    "Outcome",
    "Plan",
    "Provision",
    "Rules",
    "Standing",
    "Surroundings",
    "Task",
    "Wish",
    "plan",
]
