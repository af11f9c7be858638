"""The published text, taken apart into sentences, so that every sentence can be shown with its rules."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

_END: Final = re.compile(r"(?<=[.!?])[\"'\u2019\u201d)]*\s+(?=[\"'\u2018\u201c(]?[A-ZÀ-Ý¹²³])")
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:[A-Z]\.)+|\b(?:Ltd|B\.V|bijv|e\.d|evt|nr|art|etc|enz|incl|dr|mr|drs|ing)\.)$", re.IGNORECASE
)
_MARK: Final = re.compile(r"^\s*(?:[-\u2013\u2022*¹²³x]\s+|[¹²³]|\d{1,2}(?:\.\d+)*\.?\s+(?=\D)|[a-z]\.\s+)*")


class Sentence(Struct, frozen=True, kw_only=True):
    """One sentence, heading or list item: its line (from 1), where it starts in the text, and its words."""

    line: int
    start: int
    text: str

    @property
    def end(self) -> int:
        """The place just behind its last character."""
        return self.start + len(self.text)


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text in their order; a line never holds less than one, a blank line none."""
    return list(_sentences(text))


def _sentences(text: str) -> Iterator[Sentence]:
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        for begin, end in _parts(line):
            yield Sentence(line=number, start=start + begin, text=line[begin:end])
        start += len(line) + 1


def _parts(line: str) -> Iterator[tuple[int, int]]:
    """(begin, end) of each sentence of a line, without bullets and outer blanks."""
    mark = _MARK.match(line)
    begin = mark.end() if mark else 0
    for end in _END.finditer(line, begin):
        if not _ABBREVIATION.search(line[begin : end.start()]):
            yield begin, end.start()
            begin = end.end()
    last = len(line.rstrip())
    if begin < last:
        yield begin, last


def places_of(text: str, words: str) -> list[int]:
    """Where the words stand in the text: every place at which they begin, overlapping ones too."""
    found, at = [], text.find(words) if words else -1
    while at >= 0:
        found.append(at)
        at = text.find(words, at + 1)
    return found


def line_of(text: str, place: int) -> int:
    """The line (from 1) of a place in a text."""
    return text.count("\n", 0, place) + 1


def at_place(found: Iterable[Sentence], place: int) -> Sentence | None:
    """The sentence in which a place lies."""
    ordered = list(found)
    at = bisect_right([sentence.start for sentence in ordered], place) - 1
    return ordered[at] if at >= 0 and place < ordered[at].end else None


def cited(found: Iterable[Sentence], text: str, words: str) -> Sentence | None:
    """The sentence that words place a rule in: where they stand once; None where they are absent or recur."""
    places = places_of(text, words)
    if len(places) != 1:
        return None
    ordered = list(found)
    # Words may begin at the bullet of a list item, which is no part of its sentence.
    return at_place(ordered, places[0]) or at_place(ordered, places[0] + len(words) - 1)
