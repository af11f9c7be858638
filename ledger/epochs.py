"""When an epoch of the keys closes: some time after the first erasure in it, by whoever writes next.

An erasure stops all use at once. It is irreversible when the epoch closes, because then the root that older
copies of the key database were wrapped under is destroyed (ADR 29).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ledger.domain.errors import Busy, StoreUnavailable
from ledger.keys import Closed, KeyStore

PATIENCE: Final = timedelta(minutes=1)
"""How long a mirror that does not answer is left in peace."""


class Epochs:
    """Closes the epochs of one key store.

    `tends`: whether this process closes what is due, beside its work. Of several that write side by side none does:
    two copies on their way into one mirror could pass each other. Whoever decides alone does it then.
    """

    def __init__(self, keys: KeyStore, clock: Callable[[], datetime], *, after: timedelta, tends: bool = True) -> None:
        self._keys, self._clock, self._after, self._tends = keys, clock, after, tends
        self._not_before: datetime | None = None
        self.closed: list[Closed] = []
        """What this process closed."""

    def tend(self, say: Callable[[str], None], *, seconds: float | None = None) -> list[Closed]:
        """Close the epoch if it is due. What prevents it is said, and tried again in a minute: recording goes on.

        `seconds`: about how long there is for it now; None: as long as it takes.
        """
        if not self._tends:
            return []
        now = self._clock()
        if self._not_before is not None and now < self._not_before:
            return []
        self._not_before = None
        try:
            closed = self._keys.close_due(now, self._after, seconds=seconds)
        except (StoreUnavailable, Busy) as trouble:
            self._not_before = now + PATIENCE
            say(f"what was erased is not irreversible yet: {trouble}")
            return []
        self.closed += closed
        return closed

    def close(self, *, always: bool = False, every_bucket: bool = False) -> list[Closed]:
        """Close the epoch now; raises StoreUnavailable where the mirror does not answer."""
        closed = self._keys.close_epoch(at=self._clock(), always=always, every_bucket=every_bucket)
        self.closed += closed
        return closed
