"""When an epoch closes: not before it is due, not in every process, and never at the cost of recording."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ledger.domain.errors import StoreUnavailable
from ledger.epochs import Epochs
from ledger.keys import Closed, Scope
from ledger.keys.memory import MemoryKeyStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AFTER = timedelta(minutes=15)
SCOPE = Scope("acme", "", "f" * 32, "forms/forms")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Unmounted(MemoryKeyStore):
    """A store whose mirror is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.mounted = False

    def close_due(self, now: datetime, after: timedelta, *, seconds: float | None = None) -> list[Closed]:
        self.asked += 1
        if not self.mounted:
            raise StoreUnavailable("the mirror is not there")
        return super().close_due(now, after, seconds=seconds)


def one_erased(keys: MemoryKeyStore) -> MemoryKeyStore:
    keys.obtain([SCOPE])
    keys.destroy([SCOPE], case="case-1", generation=1, at=NOON)
    return keys


def test_an_epoch_is_closed_when_it_is_due_and_remembered() -> None:
    clock, said = Clock(), list[str]()
    epochs = Epochs(one_erased(MemoryKeyStore()), clock, after=AFTER)
    assert epochs.tend(said.append) == []
    clock.now += AFTER
    (closed,) = epochs.tend(said.append)
    assert closed.cases == ("case-1",)
    assert epochs.tend(said.append) == []
    (second,) = epochs.close(always=True)
    assert epochs.closed == [closed, second]
    assert said == []


def test_a_mirror_that_is_not_there_is_told_once_a_minute_and_recording_goes_on() -> None:
    clock, said, keys = Clock(), list[str](), Unmounted()
    epochs = Epochs(one_erased(keys), clock, after=timedelta(0))
    for _ in range(5):
        assert epochs.tend(said.append) == []
    assert keys.asked == 1
    assert said == ["what was erased is not irreversible yet: the mirror is not there"]
    keys.mounted = True
    clock.now += timedelta(minutes=1)
    assert epochs.tend(said.append)[0].cases == ("case-1",)


def test_a_process_that_writes_beside_others_leaves_it_to_whoever_decides() -> None:
    epochs = Epochs(one_erased(MemoryKeyStore()), lambda: NOON + AFTER, after=AFTER, tends=False)
    assert epochs.tend(lambda _: None) == []
    assert epochs.close()[0].cases == ("case-1",)
