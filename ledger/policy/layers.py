"""What clients set, on top of a statement: each parameter with what was instructed and what therefore applies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from msgspec.structs import replace

from ledger.domain.calendar import add, day_of, duration
from ledger.policy.model import Pack
from ledger.policy.promises import ClientParameter, Parameter, Retention

Row: TypeAlias = dict[str, Any]


def client_layer(pack: Pack, instructions: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """One row for each client, assignment and parameter: what it last instructed, and what applies (contract, Reading 7).

    `instructions` are rows of the register of that name, in order of time. `how`: instructed; bound (out of range, so that the
    nearest bound applies); assumed (nothing was instructed, and the pack has a default); or none (no term runs).
    """
    said: dict[tuple[str, str | None], dict[str, tuple[str, str]]] = {}
    for row in instructions:
        if row["organisation"] == pack.organisation and row["client"]:
            mine = said.setdefault((row["client"], row["reference"] or None), {})
            mine.update({name: (str(value), row["time"]) for name, value in row["parameters"].items()})
    for (client, reference), found in sorted(said.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        for name in pack.file.parameters:
            if reference is None or name in found:
                yield _row(pack, client, reference, name, found.get(name))


def _row(pack: Pack, client: str, reference: str | None, name: str, said: tuple[str, str] | None) -> Row:
    parameter, rule = _parameter(pack, name)
    applies, how = (None, "none") if parameter.default is None else (parameter.default, "assumed")
    if said is not None:
        applies = _bounded(said[0], parameter, said[1])
        how = "instructed" if applies == said[0] else "bound"
    return {
        "organisation": pack.organisation,
        "client": client,
        "reference": reference,
        "parameter": name,
        "instructed": None if said is None else said[0],
        "since": None if said is None else said[1],
        "applies": applies,
        "how": how,
        "rule": rule,
        "also": list(parameter.also),
    }


def _parameter(pack: Pack, name: str) -> tuple[Parameter, str | None]:
    """The bounds and default of a parameter, and the rule that it belongs to."""
    for promise in pack.promises:
        if isinstance(promise, Retention) and promise.parameter is not None and promise.parameter.name == name:
            # A term of its own holds for clients that set none.
            return replace(promise.parameter, default=promise.parameter.default or promise.term), promise.rule
    for promise in pack.promises:
        if isinstance(promise, ClientParameter) and promise.name == name:
            return Parameter(name=name, min=promise.min, max=promise.max), promise.rule
    return Parameter(name=name), pack.file.parameters[name].rule


def _bounded(said: str, parameter: Parameter, at: str) -> str | None:
    """What was instructed, or the bound that it passes; None for what is no term."""
    length, day = duration(said), day_of(datetime.fromisoformat(at))
    if length is None:
        return parameter.default
    for bound, beyond in ((parameter.min, -1), (parameter.max, 1)):
        limit = duration(bound) if bound else None
        if limit is not None and (add(day, length) > add(day, limit)) - (add(day, length) < add(day, limit)) == beyond:
            return bound
    return said
