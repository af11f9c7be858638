"""Chance that repeats itself: everything random in the demo comes from a seed and a name."""

from __future__ import annotations

from random import Random


def rng(*parts: object) -> Random:
    """A source of chance of its own for whatever the parts name."""
    return Random("/".join(str(part) for part in parts))


def event_id(at: int, chance: Random) -> str:
    """An id in the form of a UUIDv7: the moment in milliseconds, then chance."""
    bits = chance.getrandbits(84)
    text = f"{at * 1000 + bits % 1000:012x}7{bits >> 10 & 0xFFF:03x}{0x8000 | bits >> 22 & 0x3FFF:04x}{bits >> 36:012x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
