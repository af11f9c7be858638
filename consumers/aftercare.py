"""What is done about cases after their keys are gone: answers counted, orders published, ciphertext removed.

Everything here may be repeated at any time: what is done stands in the log, and is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec

from ledger.decisions import DESTROYED, FORGOTTEN, PREPARED, REMOVED, SENT
from ledger.keys import Erased

if TYPE_CHECKING:
    from consumers.wiring import Wired
    from ledger.decisions import ErasureCase

ORDER: Final = "pdl.erasure.ordered.v1"
NOTICE: Final = "pdl.recipient.notified.v1"
ANSWERED: Final = frozenset({"done", "impossible"})
CASES_AT_ONCE: Final = 500


class Message(NamedTuple):
    """One message for the topic: its case, its task (the id that makes it the same message when it comes again), its bytes."""

    case: str
    task: str
    body: bytes


class Publisher(Protocol):
    """Hands messages over and waits until the other side has them; raises StoreUnavailable."""

    def send(self, messages: Sequence[Message]) -> None:
        """All of them, or an error; those that were sent before an error may be sent again."""
        ...


def follow_up(wired: Wired) -> list[ErasureCase]:
    """Follow the cases of which something is to be said: all answered, somebody silent, the term over. The registers must be up to date.

    One pass over the tasks; a case is only loaded where it moves.
    """
    now = wired.clock()
    over = set(_streams(wired, FORGOTTEN))
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in wired.registers.rows("notifications", now=now):
        if row["case"] not in over:
            rows.setdefault(row["case"], []).append(row)
    moving = [case for case, tasks in rows.items() if _moves(wired, tasks)]
    return [wired.erasures.follow_up(case, _answered(rows[case])) for case in moving]


def _moves(wired: Wired, tasks: Sequence[dict[str, Any]]) -> bool:
    """Whether a case has to be told something: nothing is open, a silence is not named yet, or its term may be over."""
    silent = any(row["state"] == "silent" and row["escalated"] is None for row in tasks)
    return silent or len(_answered(tasks)) == len(tasks) or wired.erasures.may_be_over(tasks[0]["prepared"])


def _answered(tasks: Sequence[dict[str, Any]]) -> set[str]:
    """The tasks that are answered; the letter is, once it was said to be sent."""
    return {
        row["task"]
        for row in tasks
        if row["state"] in ANSWERED or (row["kind"] == "confirmation" and row["sent"] is not None)
    }


def remove_ciphertext(wired: Wired) -> int:
    """Take out of the log what destroyed keys sealed; says in how many records. The registers must be up to date."""
    removed = set(_streams(wired, REMOVED))
    cases = [case for case in dict.fromkeys(_streams(wired, DESTROYED)) if case not in removed]
    return sum(_removed(wired, cases[start : start + CASES_AT_ONCE]) for start in range(0, len(cases), CASES_AT_ONCE))


def _removed(wired: Wired, cases: Sequence[str]) -> int:
    found = [wired.erasures.decisions.case(case) for case in cases]
    keys = {key for case in found for key in case.key_ids}
    positions: dict[str, list[int]] = {case.id: [] for case in found}
    for case in found:
        for position, header in wired.registers.person_facts([case.person]):
            if any(section.key in keys for section in header.sections):
                positions[case.id].append(position)
    count = wired.log.remove_ciphertexts(sorted({at for its in positions.values() for at in its}), keys)
    at = wired.clock().isoformat()
    for case in found:
        case.ciphertexts_removed(len(positions[case.id]), at)
    wired.erasures.decisions.save_all(found)
    return count


def pending(wired: Wired, after: int = 0) -> Iterator[Message]:
    """Every order and message that is not out yet, as it goes over the topic, behind a position of the log."""
    sent = {task for record in wired.log.decisions(SENT, after) for task in msgspec.json.decode(record.state)["tasks"]}
    for case in dict.fromkeys(record.stream for record in wired.log.decisions(PREPARED, after)):
        erasure = wired.erasures.decisions.case(case)
        if erasure.destroyed and not erasure.forgotten and any(_goes_out(task, sent) for task in erasure.tasks):
            bodies = wired.erasures.tasks(erasure)
            if not isinstance(bodies, Erased):
                for task in erasure.tasks:
                    if _goes_out(task, sent):
                        yield Message(case, task[0], _event(wired, erasure, task, bodies[task[0]]))


def publish(wired: Wired, publisher: Publisher, stopping: Callable[[], bool] = bool) -> int:
    """Hand over what is pending, case by case, and say so in the log; a crash in between sends the same ids once more."""
    count = 0
    by_case: dict[str, list[Message]] = {}
    for message in pending(wired):
        by_case.setdefault(message.case, []).append(message)
    for case, messages in by_case.items():
        if stopping():
            break
        publisher.send(messages)
        erasure = wired.erasures.decisions.case(case)
        erasure.hand_over([message.task for message in messages], wired.clock().isoformat())
        wired.erasures.decisions.save(erasure)
        count += len(messages)
    return count


def _goes_out(task: tuple[str, ...], sent: set[str]) -> bool:
    return task[1] in {"order", "notice"} and task[0] not in sent


def _event(wired: Wired, erasure: ErasureCase, task: tuple[str, ...], body: Any) -> bytes:
    """A task as a CloudEvent; the same bytes each time."""
    named = {"order": task[0]} if task[1] == "order" else {"notification": task[0]}
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": task[0],
            "source": f"personal-data-ledger/{wired.log.ledger_id}",
            "type": ORDER if task[1] == "order" else NOTICE,
            "time": erasure.prepared,
            "datacontenttype": "application/json",
            "data": {**named, **{name: value for name, value in body.items() if value is not None}},
        }
    )


def _streams(wired: Wired, topic: str) -> list[str]:
    return [record.stream for record in wired.log.decisions(topic)]
