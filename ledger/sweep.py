"""One run of the retention periods: erase what is past its term, leave what is held, and record the run.

What is due under the packs goes: a term that ended, consent that was withdrawn, a client who asked for destruction. A
dataset that a statement promises to anonymise is counted first, in cells of at least ten people; where no cell
is that large it is called erased. A run waits for sources that were not heard since a term ended, because a later
contact may be on its way. The run is a decision in the log, per organisation; and where a statement promises a
retention check, the fact that it was done. The brake: a run that reaches too many people of an organisation on
one day stops, and two people must agree.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

import msgspec

from ledger.approvals import DPO, SIGNATURES, Word, in_force, judge_approval, order_hash
from ledger.decisions import HALTED, ORDERED, Aggregate, Decisions, Sweep
from ledger.domain.errors import ApprovalRefused, Unreadable
from ledger.erasure import Erasures, Outcome, Standing, Wish
from ledger.policy.model import Pack
from ledger.sealing import Chance
from ledger.service import Input, Ledger

SOURCE: Final = "pdl:sweep"
PEOPLE_WITHOUT_ASKING: Final = 100
"""So many people of an organisation a day's runs may always reach; above, the share of its people decides."""
CELL_MIN: Final = 10
"""No count of fewer people is kept."""
AT_ONCE: Final = 500

Cell = tuple[str, str, str]
"""class, month of collection (YYYY-MM), category"""


class Due(NamedTuple):
    """One dataset of a person whose terms are over; `people` are all pseudonyms of the person that it was kept under.

    `expired`: when the last of its terms was over. `overdue`: from when on keeping it contradicts a promise beyond the
    promised check (None: not yet known). `silent` are sources of its facts that were not heard since. `ground` is that of the contract.
    """

    organisation: str
    person: str
    people: tuple[str, ...]
    standing: Standing
    due: datetime
    rule: str | None
    expired: datetime
    overdue: datetime
    ground: str = "retention"
    anonymise: bool = False
    silent: tuple[str, ...] = ()


class Swept(NamedTuple):
    """What a run did: erased, anonymised, held, waiting (for a source, or two people), nothing-held (only systems have it) or pending."""

    due: Due
    outcome: str
    case: str | None
    why: str | None = None


class Halt(NamedTuple):
    """Where the brake holds: of so many people of an organisation the run, with those before it today, would reach so many."""

    organisation: str
    people: int
    everyone: int


class Around(Protocol):
    """What a run asks about people."""

    def standings(self, person: str) -> Sequence[Standing]:
        """Where each dataset of a person stands, for the guard."""
        ...

    def cells(self, due: Due) -> Collection[Cell]:
        """In which cells of the counts a person stands with a dataset."""
        ...


class Sweeps:
    """Carries out runs."""

    def __init__(self, ledger: Ledger, erasures: Erasures, clock: Callable[[], datetime], share: float) -> None:
        self._ledger, self._erasures, self._clock, self._share = ledger, erasures, clock, share
        self._decisions = Decisions(ledger.log.recorder)

    # --- the brake

    def brake(self, due: Collection[Due]) -> dict[str, Halt]:
        """The organisations of which a run would reach too many people; a wrong clock must not erase a customer base."""
        everyone, today = self._ledger.keys.people(), self._today()
        reached: dict[str, set[str]] = defaultdict(set)
        for one in due:
            if not one.standing.held and not one.silent:
                reached[one.organisation].add(one.people[0])
        halts = {}
        for organisation, people in reached.items():
            count = len(people | today[organisation])
            living = everyone.get(organisation, 0) + len(today[organisation])
            if count > max(PEOPLE_WITHOUT_ASKING, int(self._share * living)):
                halts[organisation] = Halt(organisation, count, living)
        return halts

    def _today(self) -> dict[str, set[str]]:
        """Whom automatic runs reached since midnight (UTC), by organisation."""
        day = self._clock().date().isoformat()
        found: dict[str, set[str]] = defaultdict(set)
        for record in self._ledger.log.decisions(ORDERED):
            said = msgspec.json.decode(record.state)
            if said["approval"] == "automatic" and said["at"].startswith(day):
                found[said["organisation"]].add(said["person"])
        return found

    def agreed(self, halt: Halt) -> list[str]:
        """Who signed that a run may reach that many people of an organisation, if that is enough; else nobody."""
        approvers = self._decisions.approvers(self._ledger.log)
        for sweep in self._halted(halt.organisation):
            signed = in_force(sweep.approvals, approvers, self._clock())
            if sweep.people >= halt.people and not sweep.objected and len(signed) >= SIGNATURES:
                return signed
        return []

    def must_sign(self) -> bool:
        """Whether two people can be asked: so many approvers are known, or the settings ask for them."""
        can = {each.name for each in self._decisions.approvers(self._ledger.log) if not each.left and each.role != DPO}
        return self._erasures.rules.approval == "two-people" or len(can) >= SIGNATURES

    def halt(self, halt: Halt) -> str:
        """Record that the brake stopped a run; the id that two people sign. The same run again has the same id."""
        day = self._clock().date().isoformat()
        for sweep in self._halted(halt.organisation):
            if sweep.people == halt.people and sweep.at.startswith(day) and not sweep.objected:
                return sweep.id
        stopped = Sweep.halt(f"sweep-{Chance(8).take(8)}", **halt._asdict(), at=self._clock().isoformat())
        self._decisions.save(stopped)
        return stopped.id

    def _halted(self, organisation: str) -> list[Sweep]:
        found = [self._decisions.find(record.stream) for record in self._ledger.log.decisions(HALTED)]
        return [sweep for sweep in found if isinstance(sweep, Sweep) and sweep.organisation == organisation]

    def order_of(self, sweep: str) -> str:
        """The hash (hex) of a halted run, which approvals sign; raises Unreadable where there is none."""
        for record in self._ledger.log.decisions(HALTED):
            if record.stream == sweep:
                return order_hash(record)
        raise Unreadable("no run with that id was stopped by the brake.")

    def sign(self, sweep: str, note: str, word: Word) -> list[str]:
        """Count a signature over a halted run, or halt it for good; says who signed. Raises ApprovalRefused."""
        found = self._decisions.find(sweep)
        if not isinstance(found, Sweep) or found.objected:
            raise ApprovalRefused(f"{sweep} is decided already: a signature changes nothing any more")
        approver, said = judge_approval(
            note,
            self._decisions.approvers(self._ledger.log),
            ledger=self._ledger.log.ledger_id,
            case=sweep,
            order=self.order_of(sweep),
            word=word,
            signed_before={approval[0] for approval in found.approvals} if word == "approve" else (),
            now=self._clock(),
        )
        common = {"approver": approver.name, "role": approver.role, "note": note, "at": self._clock().isoformat()}
        if word == "approve":
            found.approve(**common, expires=said.expires.isoformat())
        else:
            found.object(**common)
        self._decisions.save(found)
        return [approval[0] for approval in found.approvals]

    # --- the run

    def run(
        self,
        due: Iterable[Due],
        organisations: Iterable[str],
        around: Around,
        *,
        halted: Mapping[str, str],
        confirmed_by: Mapping[str, Sequence[str]],
    ) -> list[Swept]:
        """Erase what is due and nothing holds; `halted` says why an organisation is left alone.

        Each erasure is a case of its own, safe to interrupt; the run is recorded when it is done.
        """
        done: dict[str, list[Swept]] = defaultdict(list)
        going = []
        for one in due:
            why = self._left(one, halted)
            if why is None:
                going.append(one)
            else:
                done[one.organisation].append(Swept(one, *why))
        counted = self._count(going, around)
        for swept in self._erase(going, around):
            named = swept._replace(outcome="anonymised") if _place(swept.due) in counted else swept
            done[swept.due.organisation].append(named if swept.outcome == "erased" else swept)
        for organisation in sorted({*organisations, *done}):
            self._record(organisation, done[organisation], list(confirmed_by.get(organisation, ())))
        return [row for rows in done.values() for row in rows]

    @staticmethod
    def _left(one: Due, halted: Mapping[str, str]) -> tuple[str, None, str | None] | None:
        """What becomes of a dataset that a run does not erase: outcome, no case, why."""
        if one.standing.held:
            return "held", None, one.standing.statute
        if one.silent:
            return "waiting", None, f"not heard since: {', '.join(one.silent)}"
        if one.organisation in halted:
            return "waiting", None, halted[one.organisation]
        return None

    def _count(self, going: Sequence[Due], around: Around) -> set[tuple[str, str, str]]:
        """Keep counts of what is to be anonymised; says of which datasets there are any."""
        cells: dict[tuple[str, str, str], Counter[Cell]] = defaultdict(Counter)
        for one in going:
            if one.anonymise:
                cells[_place(one)].update(set(around.cells(one)))
        kept = set()
        for place, counts in sorted(cells.items()):
            large = sorted([*cell, people] for cell, people in counts.items() if people >= CELL_MIN)
            if large:
                kept.add(place)
                self._decisions.save(
                    Aggregate.count(
                        f"aggregate-{Chance(8).take(8)}",
                        organisation=place[0],
                        client=place[1],
                        dataset=place[2],
                        cells=large,
                        left_out=len(counts) - len(large),
                        at=self._clock().isoformat(),
                    )
                )
        return kept

    def _erase(self, going: Sequence[Due], around: Around) -> Iterable[Swept]:
        """Many at once, but never one person twice at once: each plan must know what the one before it left."""
        rounds: list[list[tuple[Due, str]]] = []
        nth: Counter[str] = Counter()
        for one in going:
            for person in one.people:
                if nth[person] == len(rounds):
                    rounds.append([])
                rounds[nth[person]].append((one, person))
                nth[person] += 1
        found: dict[int, list[Outcome]] = defaultdict(list)
        for one_round in rounds:
            for start in range(0, len(one_round), AT_ONCE):
                chunk = one_round[start : start + AT_ONCE]
                wishes = [
                    Wish(
                        one.organisation,
                        person,
                        around.standings(person),
                        one.ground,
                        one.standing.dataset,
                        one.standing.client,
                    )
                    for one, person in chunk
                ]
                outcomes = self._erasures.erase_many(wishes, automatic=True)
                for (one, _), outcome in zip(chunk, outcomes, strict=True):
                    found[id(one)].append(outcome)
        for one in going:
            telling = next((each for each in found[id(one)] if each.case is not None), found[id(one)][0])
            statute = next((row.statute for row in telling.datasets if row.outcome == "held"), None)
            yield Swept(one, "held" if telling.state == "refused" else telling.state, telling.case, statute)

    def _record(self, organisation: str, rows: Sequence[Swept], confirmed_by: list[str]) -> None:
        at = self._clock()
        counts = Counter(row.outcome for row in rows)
        told = {name: counts[name] for name in ("erased", "anonymised", "held", "waiting")}
        self._decisions.save(
            Sweep.execute(
                f"sweep-{Chance(8).take(8)}",
                organisation=organisation,
                found=len(rows),
                **told,
                left=len(rows) - sum(told.values()),
                expired=len(rows),
                overdue=sum(row.due.overdue <= at for row in rows),
                before_term=sum(row.due.expired > at for row in rows),
                confirmed_by=confirmed_by,
                at=at.isoformat(),
            ),
        )
        packs: Mapping[str, Pack] = self._ledger.packs
        control = packs[organisation].sweep_control
        if control is not None:
            event = _control(organisation, control, len(rows), told["erased"] + told["anonymised"], at)
            self._ledger.record([Input(0, event)], f"sweep:{uuid.uuid4().hex}", 0)


def _place(due: Due) -> tuple[str, str, str]:
    return due.organisation, due.standing.client, due.standing.dataset


def _control(organisation: str, control: str, found: int, handled: int, at: datetime) -> bytes:
    """The fact that the check was done, as any other source would report it."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": SOURCE,
            "type": "pdl.control.executed.v1",
            "time": at,
            "data": {"organisation": organisation, "control": control, "found": found, "handled": handled},
        },
    )
