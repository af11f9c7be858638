"""`pdl bench`: the measurements of the house, where its source is at hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from ledger.domain.errors import Unreadable

HOUSE = Path(__file__).parents[2]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, metavar="[ARGUMENTS...]")
def bench(arguments: tuple[str, ...]) -> int:
    """Measure the write path and the registers against raw limits.

    Needs the source tree (tests/benchmarks); `make bench` is the same with its set-up.

    \b
    Example:
      pdl bench
    """
    if not (HOUSE / "tests" / "benchmarks" / "__main__.py").is_file():
        raise Unreadable("the measurements are not part of the installed package; run `make bench` in its source tree.")
    return subprocess.run([sys.executable, "-m", "tests.benchmarks", *arguments], cwd=HOUSE, check=False).returncode  # noqa: S603 -- our own module
