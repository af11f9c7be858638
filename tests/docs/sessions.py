"""Console sessions in the documentation, played for real: `$ pdl ...` and what it prints.

In what is printed, `...` stands for anything within a line, and a line `...` for any lines. With
PDL_GOLDEN=write a session without `...` is written anew.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWERS = frozenset({0, 1})
"""Exit statuses of a command that gave an answer."""


class Ran(NamedTuple):
    """How a command ended, what it printed, and what it said on standard error."""

    status: int
    printed: str
    said: str


Run = Callable[[list[str]], Ran]
"""Runs `pdl` with these arguments."""


class Step(NamedTuple):
    """A command as it is typed, and what the page says that it prints."""

    typed: str
    printed: str


def steps(text: str) -> Iterator[Step]:
    """The steps of one session."""
    typed, printed = "", ""
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            if typed:
                yield Step(typed, printed)
            typed, printed = line[2:].rstrip("\n"), ""
        elif typed.endswith("\\") and not printed:
            typed = f"{typed}\n{line.rstrip()}"
        else:
            printed += line
    if typed:
        yield Step(typed, printed)


def arguments(typed: str) -> tuple[list[str], str | None]:
    """The arguments of a typed `pdl` command, and the file that its output goes to."""
    words = shlex.split(typed.replace("\\\n", " "), comments=True)
    assert words[0] == "pdl", f"a session plays only pdl: {typed}"
    if ">" in words:
        at = words.index(">")
        assert len(words) == at + 2, typed
        return words[1:at], words[at + 1]
    return words[1:], None


def play(page: Path, run: Run, folder: Path, *, write: bool) -> list[str]:
    """Play every session of a page in order, in one folder; says what differs, or writes it anew."""
    wrong: list[str] = []

    def replayed(match: re.Match[str]) -> str:
        out = []
        for step in steps(match[1]):
            words, file = arguments(step.typed)
            status, printed, said = run(words)
            if file is not None:
                (folder / file).write_text(printed, "utf-8")
                printed = ""
            printed = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
            if "..." not in step.printed and write and status in ANSWERS:
                out.append(f"$ {step.typed}\n{printed}")
                continue
            if status not in ANSWERS or not fits(step.printed, printed):
                wrong.append(f"$ {step.typed}\n{printed}{said}")
            out.append(f"$ {step.typed}\n{step.printed}")
        return f"```console\n{''.join(out)}```"

    text = page.read_text("utf-8")
    played = SESSION.sub(replayed, text)
    if write and played != text:
        page.write_text(played, "utf-8")
    return wrong


def fits(expected: str, printed: str) -> bool:
    """Whether what was printed is what the page says, `...` standing for anything."""
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n", expected, flags=re.MULTILINE)]
    lines = r"(?:.*\n)*".join(part.replace(r"\.\.\.", r"[^\n]*") for part in parts)
    return re.fullmatch(lines, printed) is not None
