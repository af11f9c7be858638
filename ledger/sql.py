"""SQL stands in `.sql` files, each statement under its name; this reads them, for log, keys and registers alike."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

import orjson


@cache
def statements(package: str, file: str) -> dict[str, str]:
    """The statements of one file by name, without comments; a KeyError later means a name that is not there."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in resources.files(package).joinpath(file).read_text("utf-8").splitlines():
        if line.startswith("-- name: "):
            lines = found.setdefault(line.removeprefix("-- name: ").strip(), [])
        elif not line.lstrip().startswith("--"):
            lines.append(line)
    return {name: "\n".join(body).strip().removesuffix(";") for name, body in found.items()}


def split(script: str) -> list[str]:
    """The single statements of a script (none of ours has a semicolon inside)."""
    return [part.strip() for part in script.split(";") if part.strip()]


def as_json(values: Iterable[object]) -> str:
    """Many values as one parameter."""
    return orjson.dumps(list(values)).decode()
