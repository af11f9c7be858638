"""Invented people: names, addresses and numbers put together from lists, never taken from anyone.

A pattern such as "{given} {surname}" is filled from the lists and patterns of people.toml; `#` stands for a
digit, `%` for a hexadecimal digit. A *stable* attribute stays the same for one person, a *fresh* one is new
every time it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Final

from msgspec import Struct

_SLOT: Final = re.compile(r"\{([a-z0-9_:-]+)\}|(#+)|(%+)")


class PeopleFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The lists and patterns that people are made from."""

    lists: dict[str, list[str]]
    stable: dict[str, str]
    fresh: dict[str, str]


class Person(dict[str, str]):
    """What fills the slots of a story: attributes made at first use, references, accounts, choices.

    Keys: an attribute of people.toml; "ref" and "ref:NAME" (an opaque reference); "account:ROLE"; "pick:A|B".
    """

    def __init__(self, serial: int, rng: Random, file: PeopleFile, accounts: Mapping[str, list[str]]) -> None:
        super().__init__(serial=f"{serial:05d}")
        self._rng = rng
        self._file = file
        self._accounts = accounts

    def reset(self, values: Mapping[str, str]) -> None:
        """Give attributes a value, another attribute's ("{name}"), or (empty) let them be chosen anew."""
        for name, value in values.items():
            self.pop(name, None)
            if value:
                self[name] = self[value[1:-1]] if value.startswith("{") else value

    def __missing__(self, key: str) -> str:
        kind, _, rest = key.partition(":")
        if kind == "ref":
            made = self[key] = f"{self._rng.getrandbits(48):012x}"
            return made
        if kind == "pick":
            return self._rng.choice(rest.split("|"))
        if kind == "account":
            return self._rng.choice(self._accounts[rest])
        return self._attribute(key)

    def _attribute(self, key: str) -> str:
        if key in self._file.lists:
            made = self[key] = self._rng.choice(self._file.lists[key])
            return made
        if key in self._file.fresh:
            return self._fill(self._file.fresh[key])
        made = self[key] = self._fill(self._file.stable[key])
        return made

    def _fill(self, pattern: str) -> str:
        return "".join(self._part(*part) for part in _parts(pattern))

    def _part(self, kind: str, text: str) -> str:
        if kind == "digits":
            return f"{self._rng.randrange(10 ** len(text)):0{len(text)}d}"
        if kind == "hex":
            return f"{self._rng.getrandbits(4 * len(text)):0{len(text)}x}"
        if kind == "slot":
            return self._slot(text)
        return text

    def _slot(self, name: str) -> str:
        if name.startswith("any:"):  # From a list, anew each time.
            return self._rng.choice(self._file.lists[name[4:]])
        if name.startswith("lower:"):
            return re.sub(r"[^a-z]", "", self[name[6:]].lower())
        return self[name]


@cache
def _parts(pattern: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    end = 0
    for match in _SLOT.finditer(pattern):
        if match.start() > end:
            found.append(("text", pattern[end : match.start()]))
        kind = "slot" if match[1] else "digits" if match[2] else "hex"
        found.append((kind, match[1] or match[2] or match[3]))
        end = match.end()
    if end < len(pattern):
        found.append(("text", pattern[end:]))
    return tuple(found)
