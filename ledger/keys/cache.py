"""A bounded memory of what was met lately."""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most `size` entries in two halves: what is asked for moves to the young half, the old half is dropped whole.

    Nearly as good as least-recently-used, at the price of one dictionary look-up a hit.
    """

    def __init__(self, size: int) -> None:
        self._half = size // 2
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def pick(self, wanted: Collection[K]) -> tuple[dict[K, V], list[K]]:
        """What is remembered of `wanted`, and what is not."""
        found: dict[K, V] = {}
        missing: list[K] = []
        young, old = self._young, self._old
        for key in wanted:
            value = young.get(key)
            if value is None:
                value = old.get(key)
                if value is None:
                    missing.append(key)
                    continue
                young[key] = value
            found[key] = value
        self._turn()
        return found, missing

    def add(self, entries: dict[K, V]) -> None:
        """Remember these."""
        self._young.update(entries)
        self._turn()

    def clear(self) -> None:
        """Remember nothing."""
        self._young, self._old = {}, {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _turn(self) -> None:
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
