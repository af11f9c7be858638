"""What several commands take: the data directory, the format of rows, a moment."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ledger.domain.calendar import AMSTERDAM

if TYPE_CHECKING:
    from consumers.wiring import Wired

F = TypeVar("F", bound=Callable[..., Any])
FORMATS: Final = ("table", "json", "csv")


class MomentType(click.ParamType[dt.datetime]):
    """An RFC 3339 time, or a date: the end of that day in Amsterdam, so that the day itself counts."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        """Read it, or say how it is written, without repeating what was typed."""
        if isinstance(value, dt.datetime):
            return value
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
                day = dt.date.fromisoformat(value)
                return dt.datetime.combine(day, dt.time.max, AMSTERDAM)
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail("is not a time; write 2026-03-01, or 2026-03-01T12:00:00+01:00", param, ctx)
        if moment.tzinfo is None:
            self.fail("needs a zone; write 2026-03-01T12:00:00+01:00, or a date alone", param, ctx)
        return moment


MOMENT: Final = MomentType()


def data_option(command: F) -> F:
    """`--data DIR` on a command too, so that it may stand on either side of the command's name."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        metavar="DIR",
        expose_value=False,
        callback=_keep,
        help="Data directory of the ledger. Also PDL_DATA; else ./pdl-data.",
    )(command)


def _keep(ctx: click.Context, _: click.Parameter, data: Path | None) -> None:
    if data is not None:
        ctx.find_root().obj = data


def opened(*, write: bool, create: bool = False) -> AbstractContextManager[Wired]:
    """The ledger that the command in hand is about."""
    from consumers.wiring import open_ledger  # noqa: PLC0415 -- `pdl judge` needs none of it

    context = click.get_current_context()
    return open_ledger(context.find_root().obj, write=write, create=create, command=context.info_name or "pdl")


def format_option(command: F) -> F:
    """`--format table|json|csv`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="JSON prints one object a line.",
    )(command)


def from_input(value: str) -> str:
    """A value as typed; `-` reads it from standard input, so that no shell history or process list keeps it."""
    return sys.stdin.readline().rstrip("\r\n") if value == "-" else value
