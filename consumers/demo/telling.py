"""Telling a year: who lives in it, what they meet with, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from consumers.demo.chance import event_id, rng
from consumers.demo.people import PeopleFile, Person
from consumers.demo.post import Letter, Message, Post
from consumers.demo.script import NEVER, START, Line, Script, Step, Story, gone_wrong
from consumers.demo.times import later, on_day_of_month, text_of, wait

PEOPLE: Final = 5_000
"""How many people there are if nobody says otherwise; the counts of wrongs are for as many."""


class Thing(NamedTuple):
    """An instance of a thing: its attributes and its moments."""

    person: Person
    times: Mapping[str, int]


class _Plan(NamedTuple):
    begins: int
    serial: int
    script: Script
    story: Story
    thing: Thing | None


class Telling:
    """One run through the year from `first` to `end` (moments in seconds)."""

    def __init__(
        self, scripts: Sequence[Script], file: PeopleFile, post: Post, seed: int, first: int, end: int, *, wrongs: bool
    ) -> None:
        self._scripts, self._file, self._post = scripts, file, post
        self._seed, self.first, self.end, self._wrongs = seed, first, end, wrongs
        self._accounts = {script.organisation: _accounts(script, seed) for script in scripts}
        self._lines: dict[tuple[str, str, str], list[Line]] = {}
        self._things: dict[tuple[str, str], list[Thing]] = {}

    def messages(self, people: int) -> Iterator[Message]:
        """Everything that so many people and their organisations give rise to, in the order of arrival."""
        for script in self._scripts:
            self._tell_things(script)
        for plan in sorted(self._plans(people), key=lambda plan: (plan.begins, plan.serial)):
            yield from self._post.due(max(plan.begins, self.first))
            self._tell_person(plan)
        yield from self._post.due(NEVER)

    # --- things

    def _tell_things(self, script: Script) -> None:
        """Tell what belongs to the organisation; a wrong takes the place of its thing, or ("+...") stands beside it."""
        stories = {thing.id: thing for thing in script.things}
        wrongs = [wrong for wrong in script.wrongs if self._wrongs and wrong.story in stories]
        instead = {wrong.story: wrong for wrong in wrongs if not wrong.id.startswith("+")}
        for thing in script.things:
            wrong = instead.get(thing.id)
            self._tell_thing(script, gone_wrong(wrong, stories) if wrong else thing, thing.id)
        for wrong in wrongs:
            if wrong.id.startswith("+"):
                self._tell_thing(script, gone_wrong(wrong, stories), wrong.id)

    def _tell_thing(self, script: Script, story: Story, known_as: str) -> None:
        made = self._things[script.organisation, known_as] = []
        parents: Sequence[Thing | None] = self._things[script.organisation, story.of] if story.of else [None]
        for number in range(max(story.count, len(parents))):
            for nth, row in enumerate(story.rows):
                parent = parents[number % len(parents)]
                chance = rng(self._seed, script.organisation, story.id, number, nth)
                person = Person(0, chance, self._file, self._accounts[script.organisation])
                person.update((parent.person if parent else {}) | row | story.set)
                base = (parent.times.get(story.from_) if parent else None) or self.first
                begins = later(base, wait(story.start), "any", chance)
                name = f"{script.organisation}/{story.id}/{number}.{nth}"
                made.append(Thing(person, self._play(script, story, person, parent, chance, name, begins)))

    # --- people

    def _plans(self, people: int) -> Iterator[_Plan]:
        serial = 0
        counts = apportion(people, {number: script.share for number, script in enumerate(self._scripts)})
        for number, script in enumerate(self._scripts):
            for story, count in self._cast(script, counts[number], people):
                for nth in range(count):
                    serial += 1
                    yield self._plan(script, story, serial, nth)

    def _cast(self, script: Script, mine: int, people: int) -> Iterator[tuple[Story, int]]:
        """Who plays what: the journeys with a fixed number, the wrongs, and everybody else by weight."""
        by_id = {story.id: story for story in script.journeys}
        fixed = [(story, story.only) for story in script.journeys if story.only]
        wrongs = [wrong for wrong in script.wrongs if self._wrongs and wrong.story in by_id]
        scale = min(1.0, people / PEOPLE)
        fixed += [(gone_wrong(wrong, by_id), max(1, round(wrong.count * scale))) for wrong in wrongs]
        yield from fixed
        weights = {number: story.weight for number, story in enumerate(script.journeys) if story.weight}
        for number, share in apportion(max(0, mine - sum(count for _, count in fixed)), weights).items():
            yield script.journeys[number], share

    def _plan(self, script: Script, story: Story, serial: int, nth: int) -> _Plan:
        things = self._things[script.organisation, story.of] if story.of else []
        thing = things[nth % len(things)] if things else None
        base = thing.times[story.from_ or START] if thing else self.first
        begins = later(base, wait(story.start), "any", rng(self._seed, "plan", serial))
        return _Plan(begins, serial, script, story, thing)

    def _tell_person(self, plan: _Plan) -> None:
        script, story = plan.script, plan.story
        chance = rng(self._seed, "person", plan.serial)
        accounts = self._accounts[script.organisation]
        person = protagonist(story, self._seed, self._file, accounts) if story.protagonist else None
        person = person or Person(plan.serial, chance, self._file, accounts)
        if plan.thing:
            person.update({key: value for key, value in plan.thing.person.items() if key != "serial"})
        person.update(story.set)
        name = f"{script.organisation}/{story.id}/{plan.serial}"
        self._play(script, story, person, plan.thing, chance, name, plan.begins)

    # --- stories

    def _play(
        self, script: Script, story: Story, person: Person, parent: Thing | None, chance: Random, name: str, begins: int
    ) -> dict[str, int]:
        """Play a story from its beginning; returns its moments."""
        times = {f"{story.of}.{key}": moment for key, moment in parent.times.items()} if parent else {}
        times |= {"year": self.first, START: begins, "last": begins}
        flags = {flag for flag, share in story.flags.items() if chance.random() < share}
        for mark, when in story.marks.items():
            if chance.random() < when.chance and _holds(when.when, flags) and when.after in times:
                times[mark] = later(times[when.after], wait(when.wait), when.hours, chance)
        _Player(self, script, story, person, flags, times, chance, name).play(self.lines(script, story))
        return times

    def lines(self, script: Script, story: Story, scene: str = "") -> list[Line]:
        """The steps of a story, or of a scene as this story plays it, made ready once."""
        key = (script.organisation, story.id, scene)
        if key not in self._lines:
            steps: Sequence[Step] = script.scenes[scene] if scene else story.steps
            self._lines[key] = [Line(step, story, script) for step in steps]
        return self._lines[key]

    def listens(self, at: int, *, keep: bool) -> bool:
        """Whether a moment counts: in the year, or before it if it is to be reported all the same."""
        return at < self.end and (keep or at >= self.first)

    def send(self, letter: Letter, chance: Random) -> None:
        """Hand a letter to the post."""
        self._post.send(letter, chance)


class _Player:
    """One story being played: where it stands, and whose it is."""

    def __init__(
        self,
        telling: Telling,
        script: Script,
        story: Story,
        person: Person,
        flags: set[str],
        times: dict[str, int],
        chance: Random,
        name: str,
    ) -> None:
        self._telling, self._script, self._story, self._person = telling, script, story, person
        self._flags, self._times, self._chance, self._name = flags, times, chance, name

    def play(self, lines: Sequence[Line], limit: int = NEVER) -> None:
        """Play these lines in order, nothing of them at `limit` or later."""
        for line in lines:
            base = self._times.get(line.after or "last")
            if base is not None and self._is_wanted(line):
                self._repeat(line, later(base, line.wait, line.hours, self._chance), limit)

    def _is_wanted(self, line: Line) -> bool:
        return _holds(line.when, self._flags) and (line.chance == 1 or self._chance.random() < line.chance)

    def _repeat(self, line: Line, at: int, limit: int) -> None:
        low, high = line.times
        until = min(limit, self._times.get(line.until, NEVER))
        for number in range(low if low == high else self._chance.randint(low, high)):
            if line.day:
                at = on_day_of_month(at, line.day, line.hours, self._chance)
            elif number:
                at = later(at, line.every, line.hours, self._chance)
            if at >= until:
                return
            if number != line.skip:
                self._once(line, at, until)

    def _once(self, line: Line, at: int, until: int) -> None:
        self._times["last"] = at
        if line.id:
            self._times[line.id] = at
        if not self._telling.listens(at, keep=line.keep):
            return
        if line.set:
            self._person.reset(line.set)
        if line.scene:
            self._person.pop("ref", None)
            self.play(self._telling.lines(self._script, self._story, line.scene), until)
        else:
            self._tell(line, at)

    def _tell(self, line: Line, at: int) -> None:
        person = self._person
        person["at"] = text_of(at, local=line.local)
        person["id"] = event_id(at, self._chance)
        if line.id:
            person[f"at:{line.id}"], person[f"id:{line.id}"] = person["at"], person["id"]
        text = line.text % tuple([person[slot] for slot in line.slots])
        self._telling.send(Letter(text, self._script, line.service, at, self._name, self._story.wrong), self._chance)


def _holds(condition: str, flags: set[str]) -> bool:
    """Whether a flag is set ("flag"), or not ("!flag"); no condition always holds."""
    return not condition or (condition.removeprefix("!") in flags) != condition.startswith("!")


def protagonist(story: Story, seed: int, file: PeopleFile, accounts: Mapping[str, list[str]]) -> Person:
    """The person of the protagonist's story, with identifier and name, which are the same whenever they are asked for."""
    person = Person(0, rng(seed, "protagonist"), file, accounts)
    person.update(story.set)
    for attribute in (str(story.subject["value"]).strip("{}"), "name"):
        person[attribute] = person[attribute]
    return person


def apportion(total: int, weights: Mapping[int, float]) -> dict[int, int]:
    """Shares in whole people that add up to the total (largest remainders)."""
    whole = sum(weights.values())
    exact = {key: total * weight / whole for key, weight in weights.items()}
    shares = {key: int(value) for key, value in exact.items()}
    for key in sorted(exact, key=lambda key: exact[key] - shares[key], reverse=True)[: total - sum(shares.values())]:
        shares[key] += 1
    return shares


def _accounts(script: Script, seed: int) -> dict[str, list[str]]:
    chance = rng(seed, script.organisation, "accounts")
    return {
        role: [f"account-{chance.getrandbits(32):08x}" for _ in range(number)]
        for role, number in script.accounts.items()
    }
