"""SQL stands in `.sql` files, named and commented; this reads them."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\s*$")
_TABLE: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)")


@cache
def statements(package: str, file: str) -> dict[str, str]:
    """The statements of one file by name; comments are left out. KeyError later means a name that is not there."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in resources.files(package).joinpath(file).read_text("utf-8").splitlines():
        named = _NAME.match(line)
        if named:
            current = found.setdefault(named[1], [])
        elif not line.lstrip().startswith("--"):
            current.append(line)
    return {name: "\n".join(lines).strip().removesuffix(";") for name, lines in found.items()}


def split(script: str) -> list[str]:
    """The single statements of a script (none of ours has a semicolon inside)."""
    return [part.strip() for part in script.split(";") if part.strip()]


def tables(script: str) -> list[str]:
    """The tables that a script creates."""
    return _TABLE.findall(script)
