"""One run of the retention periods: erase what is past its term, leave what is held, and record the run.

The run is a decision in the log, per organisation; and where a statement promises a retention check, the
fact that it was done. A run that would reach too many people waits for somebody to confirm it.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from ledger.decisions import Decisions, Sweep
from ledger.domain.errors import ErasureRefused
from ledger.erasure import Erasures, Standing
from ledger.policy.model import Pack
from ledger.sealing import Chance
from ledger.service import Input, Ledger

SOURCE: Final = "pdl:sweep"
PEOPLE_WITHOUT_ASKING: Final = 100
"""So many people a run may always reach; above, the share of all people decides."""


class Due(NamedTuple):
    """One dataset of a person that is past its term; `people` are all pseudonyms that the person is linked by."""

    organisation: str
    person: str
    people: tuple[str, ...]
    standing: Standing
    due: datetime
    rule: str | None


class Swept(NamedTuple):
    """What a run did about it: erased, held, nothing-held (only systems still have it) or pending."""

    due: Due
    outcome: str
    case: str | None


class Sweeps:
    """Carries out runs."""

    def __init__(self, ledger: Ledger, erasures: Erasures, clock: Callable[[], datetime]) -> None:
        self._ledger, self._erasures, self._clock = ledger, erasures, clock
        self._decisions = Decisions(ledger.log.recorder)

    def brake(self, due: Collection[Due], share: float) -> None:
        """Refuse a run that reaches more than that share of all people: a wrong clock must not erase a customer base.

        Raises ErasureRefused.
        """
        reached = len({one.person for one in due if not one.standing.held})
        everyone = sum(self._ledger.keys.people().values())
        if reached > max(PEOPLE_WITHOUT_ASKING, int(share * everyone)):
            raise ErasureRefused(
                f"this sweep would erase data of {reached} of {everyone} people. Check the clock and `pdl retention due`; "
                "if it is right, run it again with --confirm.",
            )

    def run(
        self, due: Iterable[Due], organisations: Iterable[str], standings: Callable[[str], Sequence[Standing]]
    ) -> list[Swept]:
        """Erase what is due and not held; `standings` says where all datasets of a person stand.

        Each erasure is a case of its own, safe to interrupt; the run is recorded when it is done.
        """
        done: dict[str, list[Swept]] = defaultdict(list)
        for one in due:
            done[one.organisation].append(self._erase(one, standings))
        for organisation in sorted({*organisations, *done}):
            self._record(organisation, done[organisation])
        return [row for rows in done.values() for row in rows]

    def _erase(self, one: Due, standings: Callable[[str], Sequence[Standing]]) -> Swept:
        place = one.standing
        if place.held:
            return Swept(one, "held", None)
        outcomes = [
            self._erasures.erase(
                one.organisation,
                person,
                standings(person),
                reason="retention",
                dataset=place.dataset,
                client=place.client,
            )
            for person in one.people
        ]
        telling = next((outcome for outcome in outcomes if outcome.case is not None), outcomes[0])
        return Swept(one, telling.state, telling.case)

    def _record(self, organisation: str, rows: Sequence[Swept]) -> None:
        at = self._clock()
        counts = {"erased": 0, "held": 0, "left": 0}
        for row in rows:
            counts[row.outcome if row.outcome in counts else "left"] += 1
        self._decisions.save(
            Sweep.execute(
                f"sweep-{Chance(8).take(8)}", organisation=organisation, found=len(rows), **counts, at=at.isoformat()
            ),
        )
        packs: Mapping[str, Pack] = self._ledger.packs
        control = packs[organisation].sweep_control
        if control is not None:
            event = _control(organisation, control, len(rows), counts["erased"], at)
            self._ledger.record([Input(0, event)], f"sweep:{uuid.uuid4().hex}", 0)


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
