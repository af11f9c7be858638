"""The documentation as data: its files, links, code blocks and the parts of it that code writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_PART = "<!-- {name} -->\n```text\n"


class Block(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str


def pages() -> list[Path]:
    """Every page of the documentation, wherever it stands."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(
        [
            *found,
            *(
                path
                for room in ("ledger", "projections", "consumers", "tests", "examples")
                for path in (ROOT / room).rglob("README.md")
            ),
        ]
    )


def name_of(page: Path) -> str:
    """A page as it is named in a test."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    return [Block(language, text) for language, text in _FENCE.findall(page.read_text("utf-8"))]


def links(page: Path) -> Iterator[str]:
    """Where a page points, code blocks left out."""
    yield from _LINK.findall(_FENCE.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """The headings of a page as a link names them."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def writing() -> bool:
    """Whether the generated parts are to be written anew (`make docs`)."""
    return os.environ.get("PDL_GOLDEN") == "write"


def same_as_page(path: Path, found: str) -> None:
    """Compare a generated page with the one that stands there."""
    if writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, "utf-8")
    assert path.is_file(), f"{name_of(path)} is not there; run `make docs`"
    assert found == path.read_text("utf-8"), f"{name_of(path)} no longer says what the code does; run `make docs`"


def part(page: Path, name: str) -> str:
    """The text of the block under the comment of that name."""
    _, _, rest = page.read_text("utf-8").partition(_PART.format(name=name))
    return rest.partition("```\n")[0]


def same_as_part(page: Path, name: str, found: str) -> None:
    """Compare a generated block with the one under the comment of that name."""
    head = _PART.format(name=name)
    before, opened, rest = page.read_text("utf-8").partition(head)
    assert opened, f"{name_of(page)} has no block {name}"
    was, _, after = rest.partition("```\n")
    if writing():
        page.write_text(f"{before}{head}{found}```\n{after}", "utf-8")
        return
    assert found == was, f"{name_of(page)}: block {name} no longer says what the code does; run `make docs`"
