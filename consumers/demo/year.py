"""A year in the life of five organisations, as the messages that their services publish.

Everything follows from the seed, the number of people and the last day: the same three give the same bytes.
Messages come in the order in which they arrive, which is roughly the order in which things happened.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

import orjson

from consumers.demo import faults
from consumers.demo.people import PeopleFile, Person
from consumers.demo.script import NEVER, START, Line, Script, Service, Story, gone_wrong, people_file, scripts
from consumers.demo.times import DAY, Wait, day_of, later, local_day, midnight, on_day_of_month, text_of, wait

PEOPLE: Final = 5_000
SEED: Final = 20_260_101
_LOOK_BACK: Final = 10 * 366 * DAY
_LATE_MAX: Final = 9 * DAY
_BROKEN_ONE_IN: Final = 1_200
_LARGE_AT_MOST: Final = 2
_REPEATED_ONE_IN: Final = 500
_CONFLICTING_ONE_IN: Final = 5_000
_LOST_ONE_IN: Final = 8_000
_REPORTS_AFTER: Final = 2 * DAY
_USED: Final = '"type":"pdl.data.used.v1"'

RECORDED: Final = "recorded"
DUPLICATE: Final = "duplicate"


class Message(NamedTuple):
    """One message of a service.

    `body` is a CloudEvent in structured mode; `expect` what must become of it: "recorded", "duplicate", or the
    reason of quarantine; `story` whose it is, `wrong` the planted wrong that this story carries, or ""; `clean`
    the event that a broken body was made from; `binary` that the service prefers binary mode.
    """

    body: bytes
    arrived: datetime
    organisation: str
    service: str
    expect: str = RECORDED
    story: str = ""
    wrong: str = ""
    clean: bytes = b""
    binary: bool = False


class Hero(NamedTuple):
    """The person whose dossier the tour opens."""

    organisation: str
    scheme: str
    value: str
    name: str


class _Plan(NamedTuple):
    begins: int
    number: int
    script: int
    story: Story
    serial: int
    thing: int


class _Sent(NamedTuple):
    """What waits for its turn: everything of a message but what only the moment of sending knows."""

    text: str
    service: str
    script: int
    story: str
    wrong: str
    at: int
    wire: str


class _Thing:
    """An instance of a thing: its attributes and its moments."""

    def __init__(self, person: Person, times: dict[str, int]) -> None:
        self.person = person
        self.times = times


def generate(seed: int = SEED, people: int = PEOPLE, end: date = date(2026, 11, 1)) -> Iterator[Message]:
    """The messages of the year that ends before `end`."""
    return iter(Year(seed, people, end))


class Year:
    """One year: its messages, the wrongs planted in it, its protagonist, and every personal value in it.

    Without `wrongs` everybody behaves; without `noise` nothing arrives broken, twice or late.
    """

    def __init__(
        self,
        seed: int = SEED,
        people: int = PEOPLE,
        end: date = date(2026, 11, 1),
        *,
        wrongs: bool = True,
        noise: bool = True,
    ) -> None:
        self.seed, self.people, self.end = seed, people, end
        self.wrongs, self.noise = wrongs, noise
        self.first = end.replace(year=end.year - 1) if (end.month, end.day) != (2, 29) else date(end.year - 1, 3, 1)
        self._scripts = tuple(scripts())
        self._people_file = people_file()

    @property
    def middle(self) -> date:
        """The day half-way through."""
        return self.first + (self.end - self.first) // 2

    def __iter__(self) -> Iterator[Message]:
        return iter(_Telling(self._scripts, self._people_file, self))

    def personal_values(self) -> set[str]:
        """Every personal value in the year: all that must never be found in the clear."""
        found: set[str] = set()
        for message in self:
            if message.expect != DUPLICATE:
                _values_of(orjson.loads(message.clean or message.body).get("data", {}), found)
        return found

    def planted(self) -> dict[str, tuple[str, ...]]:
        """The rules that each planted wrong breaks, by "organisation/wrong"."""
        return {
            f"{script.organisation}/{wrong.id}": tuple(wrong.rules)
            for script in self._scripts
            for wrong in script.wrongs
        }

    def beside(self) -> dict[str, tuple[str, ...]]:
        """The rules that are broken beside them, by "organisation/wrong"."""
        return {
            f"{script.organisation}/{wrong.id}": tuple(wrong.beside)
            for script in self._scripts
            for wrong in script.wrongs
        }

    def protagonist(self) -> Hero:
        """The person whose dossier is worth opening."""
        script, story = next(
            (script, story) for script in self._scripts for story in script.journeys if story.protagonist
        )
        person = Person(0, _rng(self.seed, "hero"), self._people_file, {})
        person.update(story.set)
        value = str(story.subject["value"]).strip("{}")
        return Hero(script.organisation, story.subject["scheme"], person[value], person["name"])


def _values_of(data: Mapping[str, Any], found: set[str]) -> None:
    found.update(str(value) for value in (data.get("values") or {}).values())
    subject = data.get("subject") or {}
    for identifier in (subject, *subject.get("also", ()), data.get("other") or {}, data.get("actor") or {}):
        value = identifier.get("value") or identifier.get("id")
        if value:
            found.add(value)


def _rng(*parts: object) -> Random:
    return Random("/".join(str(part) for part in parts))


class _Telling:
    """One run through the year."""

    def __init__(self, all_scripts: tuple[Script, ...], file: PeopleFile, year: Year) -> None:
        self._scripts, self._file, self._year = all_scripts, file, year
        self._from, self._until = midnight(year.first), midnight(year.end)
        self._rng = _rng(year.seed, "order")
        self._accounts = [_accounts(script, year.seed) for script in all_scripts]
        self._lines: dict[tuple[int, str], list[Line]] = {}
        self._things: dict[tuple[int, str], list[_Thing]] = {}
        self._waiting: list[tuple[int, int, _Sent | bytes, Message | None]] = []
        self._ticket = 0
        self._numbers: Counter[str] = Counter()
        self._counts: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
        self._broken, self._large = 0, 0

    def __iter__(self) -> Iterator[Message]:
        for index, script in enumerate(self._scripts):
            self._tell_things(index, script)
            self._plan_reports(index, script)
        for plan in sorted(self._plans()):
            yield from self._due(max(plan.begins, self._from))
            self._tell_person(plan)
        yield from self._due(NEVER)

    # --- who and what there is ---

    def _tell_things(self, index: int, script: Script) -> None:
        by_story = {wrong.story: wrong for wrong in script.wrongs if self._year.wrongs and not wrong.id.startswith("+")}
        stories = {thing.id: thing for thing in script.things}
        for thing in script.things:
            wrong = by_story.get(thing.id)
            self._tell_thing(index, gone_wrong(wrong, stories) if wrong else thing, thing.id)
        for wrong in script.wrongs:
            if self._year.wrongs and wrong.id.startswith("+") and wrong.story in stories:
                self._tell_thing(index, gone_wrong(wrong, stories), wrong.id)

    def _tell_thing(self, index: int, story: Story, known_as: str) -> None:
        script = self._scripts[index]
        made = self._things[index, known_as] = []
        parents = self._things.get((index, story.of), [None]) if story.of else [None]
        for number in range(max(story.count, len(parents)) if story.of else story.count):
            for row_number, row in enumerate(story.rows):
                rng = _rng(self._year.seed, script.organisation, story.id, number, row_number)
                person = Person(0, rng, self._file, self._accounts[index])
                parent = parents[number % len(parents)]
                person.update(parent.person if parent else {})
                person.update(row)
                person.update(story.set)
                name = f"{script.organisation}/{story.id}/{number}.{row_number}"
                times = self._play(index, story, person, parent, rng, name)
                made.append(_Thing(person, times))

    def _plans(self) -> Iterator[_Plan]:
        serial = 0
        counts = _apportion(self._year.people, {n: script.share for n, script in enumerate(self._scripts)})
        for index, script in enumerate(self._scripts):
            for story, number in self._cast(script, counts[index]):
                for nth in range(number):
                    serial += 1
                    yield self._plan(index, story, serial, nth)

    def _cast(self, script: Script, people: int) -> Iterator[tuple[Story, int]]:
        """Who plays what: the journeys with a fixed number, the wrongs, and everybody else by weight."""
        by_id = {story.id: story for story in script.journeys}
        fixed = [(story, story.only) for story in script.journeys if story.only]
        if self._year.wrongs:
            scale = min(1.0, self._year.people / PEOPLE)
            fixed += [
                (gone_wrong(wrong, by_id), max(1, round(wrong.count * scale)))
                for wrong in script.wrongs
                if wrong.story in by_id
            ]
        yield from fixed
        rest = max(0, people - sum(number for _, number in fixed))
        weights = {number: story.weight for number, story in enumerate(script.journeys) if story.weight}
        for number, share in _apportion(rest, weights).items():
            yield script.journeys[number], share

    def _plan(self, index: int, story: Story, serial: int, nth: int) -> _Plan:
        rng = _rng(self._year.seed, "plan", serial)
        things = self._things.get((index, story.of), [])
        thing = nth % len(things) if things else -1
        base = things[thing].times[story.from_ or START] if things else self._from
        begins = later(base, wait(story.start), "any", rng)
        return _Plan(begins, serial, index, story, serial, thing)

    def _tell_person(self, plan: _Plan) -> None:
        script, story = self._scripts[plan.script], plan.story
        rng = _rng(self._year.seed, "hero") if story.protagonist else _rng(self._year.seed, "person", plan.serial)
        person = Person(0 if story.protagonist else plan.serial, rng, self._file, self._accounts[plan.script])
        parent = self._things[plan.script, story.of][plan.thing] if plan.thing >= 0 else None
        person.update({key: value for key, value in parent.person.items() if key != "serial"} if parent else {})
        person.update(story.set)
        if story.protagonist:  # Asked for in the order in which `Year.protagonist` asks.
            person[str(story.subject["value"]).strip("{}")]
            person["name"]
        name = f"{script.organisation}/{story.id}/{plan.serial}"
        self._play(plan.script, story, person, parent, rng, name, begins=plan.begins)

    # --- one story ---

    def _play(
        self,
        index: int,
        story: Story,
        person: Person,
        parent: _Thing | None,
        rng: Random,
        name: str,
        *,
        begins: int | None = None,
    ) -> dict[str, int]:
        times = {f"{story.of}.{key}": moment for key, moment in parent.times.items()} if parent else {}
        times["year"] = self._from
        if begins is None:
            base = times.get(f"{story.of}.{story.from_}", self._from)
            begins = later(base, wait(story.start), "any", rng)
        times[START] = times["last"] = begins
        flags = {flag for flag, chance in story.flags.items() if rng.random() < chance}
        for mark, when in story.marks.items():
            wanted = not when.when or (when.when.removeprefix("!") in flags) != when.when.startswith("!")
            if rng.random() < when.chance and wanted and when.after in times:
                times[mark] = later(times[when.after], wait(when.wait), when.hours, rng)
        player = _Player(self, index, story, person, flags, times, rng, name)
        player.play(self._ready(index, story, story.steps, ""))
        return times

    def _ready(self, index: int, story: Story, steps: list[Any], scene: str) -> list[Line]:
        key = (index, f"{story.id}/{scene}")
        if key not in self._lines:
            self._lines[key] = [Line(step, story, self._scripts[index]) for step in steps]
        return self._lines[key]

    def scene(self, index: int, story: Story, name: str) -> list[Line]:
        """The lines of a scene as this story plays them."""
        return self._ready(index, story, self._scripts[index].scenes[name], name)

    def listens(self, at: int, *, keep: bool) -> bool:
        """Whether a moment counts: in the year, or before it if it is to be reported all the same."""
        return at < self._until and (keep or at >= self._from)

    def send(self, line: Line, text: str, at: int, *, index: int, story: str, wrong: str, rng: Random) -> None:
        """Let a message arrive, soon or late."""
        service = self._scripts[index].services[line.service]
        sent = _Sent(text, line.service, index, story, wrong, at, "")
        self._push(self._arrival(at, service, rng), sent)

    def _arrival(self, at: int, service: Service, rng: Random) -> int:
        if at < self._from:  # The inventory of what was there already, sent on the first day.
            return self._from + int((at - self._from + _LOOK_BACK) / _LOOK_BACK * DAY)
        delay = int(rng.expovariate(0.2))
        if self._year.noise and service.late and rng.random() < service.late:
            delay = 3_600 + int(rng.random() * _LATE_MAX)
        return min(at + delay, self._until)

    def _push(self, arrival: int, sent: _Sent | bytes, message: Message | None = None) -> None:
        self._ticket += 1
        heapq.heappush(self._waiting, (arrival, self._ticket, sent, message))

    # --- sending ---

    def _due(self, before: int) -> Iterator[Message]:
        waiting = self._waiting
        while waiting and waiting[0][0] < before:
            arrival, _, sent, again = heapq.heappop(waiting)
            arrived = datetime.fromtimestamp(arrival, UTC)
            if again is not None:
                yield again._replace(arrived=arrived)
            elif isinstance(sent, _Sent):
                yield from self._sent(sent, arrival, arrived)

    def _sent(self, sent: _Sent, arrival: int, arrived: datetime) -> Iterator[Message]:
        script = self._scripts[sent.script]
        service = script.services[sent.service]
        text = sent.text
        if sent.wire == "report":
            text = text.replace('"%counts%"', self._counted(service, sent.at))
        if service.reports and sent.at >= self._from:
            month = day_of(local_day(sent.at))
            self._counts[service.source, month.year * 12 + month.month][_wire(text)] += 1
        if service.counted:
            self._numbers[service.source] += 1
            text = f'{text},"sequence":{self._numbers[service.source]}'
        body = f"{text}}}".encode()
        message = Message(
            body, arrived, script.organisation, sent.service, RECORDED, sent.story, sent.wrong, b"", service.binary
        )
        if self._gets_lost(message, service):
            return
        if self._year.noise and sent.wire != "report":
            yield from self._spoiled(message, steady=service.counted or service.reports)
        yield message
        if self._year.noise and self._rng.random() * _REPEATED_ONE_IN < 1:
            self._push(
                min(arrival + 30 + int(self._rng.random() * DAY), self._until), b"", message._replace(expect=DUPLICATE)
            )

    def _gets_lost(self, message: Message, service: Service) -> bool:
        """Whether a use that its service numbered and counted never arrives: a wrong that only the numbers show."""
        chance = self._year.wrongs and service.counted and message.story and not message.wrong
        return (
            bool(chance)
            and _USED in message.body[:300].decode(errors="ignore")
            and self._rng.random() * _LOST_ONE_IN < 1
        )

    def _spoiled(self, message: Message, *, steady: bool) -> Iterator[Message]:
        """Now and then a broken message before the good one, or a second one that contradicts it after it."""
        if self._rng.random() * _BROKEN_ONE_IN < 1:
            fault = self._next_fault()
            event = orjson.loads(message.body)
            event["id"] = _event_id(int(message.arrived.timestamp()), self._rng)
            event.pop("sequence", None)
            yield message._replace(
                body=fault.spoil(event), expect=fault.reason, clean=message.body, wrong="", binary=False
            )
        if (
            not steady
            and not message.wrong
            and _USED in message.body[:300].decode(errors="ignore")
            and self._rng.random() * _CONFLICTING_ONE_IN < 1
        ):
            other = faults.changed(orjson.loads(message.body))
            again = message._replace(body=other, expect="conflicting-duplicate")
            self._push(min(int(message.arrived.timestamp()) + 3_600, self._until), b"", again)

    def _next_fault(self) -> faults.Fault:
        fault = faults.FAULTS[self._broken % len(faults.FAULTS)]
        self._broken += 1
        if fault.reason == "too-large":
            self._large += 1
            if self._large > _LARGE_AT_MOST:
                return self._next_fault()
        return fault

    # --- what services say they sent ---

    def _plan_reports(self, index: int, script: Script) -> None:
        first = (self._year.first.replace(day=1) + timedelta(days=32)).replace(day=1)
        while (after := (first + timedelta(days=32)).replace(day=1)) < self._year.end - timedelta(days=3):
            for name, service in script.services.items():
                if service.reports:
                    self._plan_report(index, name, first, after)
            first = after

    def _plan_report(self, index: int, name: str, first: date, after: date) -> None:
        script = self._scripts[index]
        rng = _rng(self._year.seed, script.organisation, name, first)
        at = midnight(after) + _REPORTS_AFTER + int(rng.random() * 3_600)
        report = {
            "specversion": "1.0",
            "id": _event_id(at, rng),
            "source": script.services[name].source,
            "type": "pdl.source.reported.v1",
            "time": text_of(at),
            "datacontenttype": "application/json",
            "data": {
                "organisation": script.organisation,
                "from": text_of(midnight(first)),
                "to": text_of(midnight(after)),
                "counts": "%counts%",
            },
        }
        text = orjson.dumps(report).decode().removesuffix("}")
        self._push(at, _Sent(text, name, index, f"{script.organisation}/report/{name}", "", at, "report"))

    def _counted(self, service: Service, at: int) -> str:
        last = day_of(local_day(at)).replace(day=1) - timedelta(days=1)
        counts = self._counts[service.source, last.year * 12 + last.month]
        return orjson.dumps(dict(sorted(counts.items()))).decode()


def _wire(text: str) -> str:
    begin = text.index('"type":"') + 8
    return text[begin : text.index('"', begin)]


def _accounts(script: Script, seed: int) -> dict[str, list[str]]:
    rng = _rng(seed, script.organisation, "accounts")
    return {
        role: [f"account-{rng.getrandbits(32):08x}" for _ in range(number)] for role, number in script.accounts.items()
    }


def _apportion(total: int, weights: Mapping[int, float]) -> dict[int, int]:
    """Shares in whole people that add up to the total (largest remainders)."""
    whole = sum(weights.values())
    exact = {key: total * weight / whole for key, weight in weights.items()}
    shares = {key: int(value) for key, value in exact.items()}
    for key in sorted(exact, key=lambda key: exact[key] - shares[key], reverse=True)[: total - sum(shares.values())]:
        shares[key] += 1
    return shares


def _event_id(at: int, rng: Random) -> str:
    """An id in the form of a UUIDv7: milliseconds, then chance."""
    bits = rng.getrandbits(84)
    text = f"{at * 1000 + bits % 1000:012x}7{bits >> 10 & 0xFFF:03x}{0x8000 | bits >> 22 & 0x3FFF:04x}{bits >> 36:012x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class _Player:
    """One story being played."""

    def __init__(
        self,
        telling: _Telling,
        index: int,
        story: Story,
        person: Person,
        flags: set[str],
        times: dict[str, int],
        rng: Random,
        name: str,
    ) -> None:
        self._telling, self._index, self._story, self._person = telling, index, story, person
        self._flags, self._times, self._rng, self._name = flags, times, rng, name

    def play(self, lines: list[Line], limit: int = NEVER) -> None:
        """Play these lines in order, nothing of them at `limit` or later."""
        for line in lines:
            if (line.flag and (line.flag in self._flags) != line.flag_wanted) or (
                line.chance < 1 and self._rng.random() >= line.chance
            ):
                continue
            base = self._times.get(line.after or "last")
            if base is not None:
                self._repeat(line, later(base, line.wait, line.hours, self._rng), limit)

    def _repeat(self, line: Line, at: int, limit: int) -> None:
        low, high = line.times
        until = min(limit, self._times.get(line.until, NEVER)) if line.until else limit
        for number in range(low if low == high else self._rng.randint(low, high)):
            if number:
                at = self._again(at, line)
            elif line.day:
                at = on_day_of_month(at, line.day, line.hours, self._rng)
            if at >= until:
                return
            if number != line.skip:
                self._once(line, at, until)

    def _again(self, at: int, line: Line) -> int:
        every: Wait = line.every
        if line.day:
            return on_day_of_month(at, line.day, line.hours, self._rng)
        return later(at, every, line.hours, self._rng)

    def _once(self, line: Line, at: int, until: int) -> None:
        for name, value in line.set.items():
            self._person.pop(name, None)
            if value:
                self._person[name] = self._person[value[1:-1]] if value.startswith("{") else value
        self._times["last"] = at
        if line.scene:
            self._person.pop("ref", None)
            self.play(self._telling.scene(self._index, self._story, line.scene), until)
        else:
            self._tell(line, at)
        if line.id:
            self._times[line.id] = at

    def _tell(self, line: Line, at: int) -> None:
        if not self._telling.listens(at, keep=line.keep):
            return
        person = self._person
        person["at"] = text_of(at, local=line.local)
        person["id"] = _event_id(at, self._rng)
        if line.id:
            person[f"at:{line.id}"], person[f"id:{line.id}"] = person["at"], person["id"]
        text = line.text % tuple([person[slot] for slot in line.slots])
        self._telling.send(line, text, at, index=self._index, story=self._name, wrong=self._story.wrong, rng=self._rng)
