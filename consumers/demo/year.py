"""A year in the life of five organisations, as the messages that their services publish.

Everything follows from the seed, the number of people and the last day: the same three give the same bytes.
Messages come in the order in which they arrive, which is roughly the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

import orjson

from consumers.demo.post import DUPLICATE, RECORDED, Message, Post
from consumers.demo.script import people_file, scripts
from consumers.demo.telling import PEOPLE, Telling, protagonist
from consumers.demo.times import midnight

SEED: Final = 20_260_101
END: Final = date(2026, 11, 1)

__all__ = ["DUPLICATE", "END", "PEOPLE", "RECORDED", "SEED", "Hero", "Message", "Year", "generate", "personal_values"]


class Hero(NamedTuple):
    """The person whose dossier the tour opens."""

    organisation: str
    scheme: str
    value: str
    name: str


def generate(seed: int = SEED, people: int = PEOPLE, end: date = END) -> Iterator[Message]:
    """The messages of the year that ends before `end`."""
    return iter(Year(seed, people, end))


def personal_values(seed: int = SEED, people: int = PEOPLE, end: date = END) -> set[str]:
    """Every personal value in that year: what must never be found in the clear."""
    return Year(seed, people, end).personal_values()


class Year:
    """One year: its messages, the wrongs planted in it, its protagonist, and every personal value in it.

    Without `wrongs` everybody behaves; without `noise` nothing arrives broken, twice or late.
    """

    def __init__(
        self,
        seed: int = SEED,
        people: int = PEOPLE,
        end: date = END,
        *,
        wrongs: bool = True,
        noise: bool = True,
    ) -> None:
        self.seed, self.people, self.end = seed, people, end
        self.wrongs, self.noise = wrongs, noise
        self.first = date(end.year - 1, 3, 1) if (end.month, end.day) == (2, 29) else end.replace(year=end.year - 1)
        self._scripts = tuple(scripts())
        self._people_file = people_file()

    @property
    def middle(self) -> date:
        """The day half-way through."""
        return self.first + (self.end - self.first) // 2

    def __iter__(self) -> Iterator[Message]:
        first, end = midnight(self.first), midnight(self.end)
        post = Post(self.seed, first, end, wrongs=self.wrongs, noise=self.noise)
        for script in self._scripts:
            post.plan_reports(script, self.first, self.end)
        telling = Telling(self._scripts, self._people_file, post, self.seed, first, end, wrongs=self.wrongs)
        return telling.messages(self.people)

    def personal_values(self) -> set[str]:
        """Every personal value in the year: all that must never be found in the clear."""
        found: set[str] = set()
        for message in self:
            if message.expect != DUPLICATE:
                _values_of(orjson.loads(message.clean or message.body).get("data", {}), found)
        return found

    def planted(self) -> dict[str, tuple[str, ...]]:
        """The rules that each planted wrong breaks, by "organisation/wrong"."""
        return {f"{one.organisation}/{wrong.id}": tuple(wrong.rules) for one in self._scripts for wrong in one.wrongs}

    def beside(self) -> dict[str, tuple[str, ...]]:
        """The rules that are broken beside them, by "organisation/wrong"."""
        return {f"{one.organisation}/{wrong.id}": tuple(wrong.beside) for one in self._scripts for wrong in one.wrongs}

    def protagonist(self) -> Hero:
        """The person whose dossier is worth opening."""
        stories = ((script, story) for script in self._scripts for story in script.journeys if story.protagonist)
        script, story = next(stories)
        person = protagonist(story, self.seed, self._people_file, {})
        identifier = str(story.subject["value"]).strip("{}")
        return Hero(script.organisation, story.subject["scheme"], person[identifier], person["name"])


def _values_of(data: Mapping[str, Any], found: set[str]) -> None:
    found.update(str(value) for value in (data.get("values") or {}).values())
    subject = data.get("subject") or {}
    for identifier in (subject, *subject.get("also", ()), data.get("other") or {}, data.get("actor") or {}):
        value = identifier.get("value") or identifier.get("id")
        if value:
            found.add(value)
