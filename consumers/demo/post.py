"""The post of the demo: what services send, when it arrives, and what goes wrong with it on the way.

Messages wait here until it is their turn. Only then do they get their number, count for the month, and may
arrive twice, broken, in contradiction with themselves, or not at all.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final, NamedTuple

import orjson

from consumers.demo import faults
from consumers.demo.chance import event_id, rng
from consumers.demo.script import Script, Service
from consumers.demo.times import DAY, day_of, local_day, midnight, text_of

RECORDED: Final = "recorded"
DUPLICATE: Final = "duplicate"
_LOOK_BACK: Final = 10 * 366 * DAY
_LATE_MAX: Final = 9 * DAY
_BROKEN_ONE_IN: Final = 1_200
_LARGE_AT_MOST: Final = 2
_REPEATED_ONE_IN: Final = 500
_CONFLICTING_ONE_IN: Final = 5_000
_LOST_ONE_IN: Final = 8_000
_REPORTS_AFTER: Final = 2 * DAY
_HEAD_BYTES: Final = 300
_USED: Final = b'"type":"pdl.data.used.v1"'
_COUNTS: Final = '"(counts)"'


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


class Letter(NamedTuple):
    """What waits for its turn: an event without its end, and where it comes from."""

    text: str
    script: Script
    service: str
    at: int
    story: str
    wrong: str = ""
    report: bool = False


class Post:
    """What is on its way, in the order of arrival; between `first` and `end`, moments in seconds."""

    def __init__(self, seed: int, first: int, end: int, *, wrongs: bool, noise: bool) -> None:
        self._seed, self._first, self._end = seed, first, end
        self._wrongs, self._noise = wrongs, noise
        self._chance = rng(seed, "post")
        self._waiting: list[tuple[int, int, Letter | Message]] = []
        self._tickets = 0
        self._numbers: Counter[str] = Counter()
        self._counts: dict[tuple[str, date], Counter[str]] = defaultdict(Counter)
        self._broken = self._large = 0

    def send(self, letter: Letter, chance: Random) -> None:
        """Let an event arrive, soon or late; what was there before the year comes on its first day."""
        self._push(self._arrival(letter, chance), letter)

    def _arrival(self, letter: Letter, chance: Random) -> int:
        at, service = letter.at, letter.script.services[letter.service]
        if at < self._first:
            return self._first + int((at - self._first + _LOOK_BACK) / _LOOK_BACK * DAY)
        delay = int(chance.expovariate(0.2))
        if self._noise and service.late and chance.random() < service.late:
            delay = 3_600 + int(chance.random() * _LATE_MAX)
        return at + delay

    def _push(self, arrival: int, sent: Letter | Message) -> None:
        self._tickets += 1
        heapq.heappush(self._waiting, (min(arrival, self._end), self._tickets, sent))

    def due(self, before: int) -> Iterator[Message]:
        """What arrives before a moment."""
        while self._waiting and self._waiting[0][0] < before:
            arrival, _, sent = heapq.heappop(self._waiting)
            if isinstance(sent, Message):
                yield sent._replace(arrived=datetime.fromtimestamp(arrival, UTC))
            else:
                yield from self._delivered(sent, arrival)

    def _delivered(self, letter: Letter, arrival: int) -> Iterator[Message]:
        message = self._message(letter, arrival)
        if self._gets_lost(message, letter):
            return
        if self._noise and not letter.report:
            yield from self._spoiled(message)
            self._contradict(message, letter, arrival)
        yield message
        if self._noise and self._happens(_REPEATED_ONE_IN):
            self._push(arrival + 30 + int(self._chance.random() * DAY), message._replace(expect=DUPLICATE))

    def _message(self, letter: Letter, arrival: int) -> Message:
        service = letter.script.services[letter.service]
        text = letter.text
        if letter.report:
            text = text.replace(_COUNTS, self._counted(service, letter.at))
        if service.reports and letter.at >= self._first:
            self._counts[service.source, _month(letter.at)][_wire(text)] += 1
        if service.counted:
            self._numbers[service.source] += 1
            text = f'{text},"sequence":{self._numbers[service.source]}'
        return Message(
            body=f"{text}}}".encode(),
            arrived=datetime.fromtimestamp(arrival, UTC),
            organisation=letter.script.organisation,
            service=letter.service,
            story=letter.story,
            wrong=letter.wrong,
            binary=service.binary,
        )

    def _happens(self, one_in: int) -> bool:
        return self._chance.random() * one_in < 1

    def _gets_lost(self, message: Message, letter: Letter) -> bool:
        """Whether a use that its service numbered and counted never arrives: a wrong that only the numbers show."""
        counted = self._wrongs and letter.script.services[letter.service].counted and not message.wrong
        return counted and _is_use(message) and self._happens(_LOST_ONE_IN)

    def _spoiled(self, message: Message) -> Iterator[Message]:
        """Now and then a broken message before the good one, which its service sends once more."""
        if self._happens(_BROKEN_ONE_IN):
            fault = self._next_fault()
            event = orjson.loads(message.body)
            event["id"] = event_id(int(message.arrived.timestamp()), self._chance)
            event.pop("sequence", None)
            yield message._replace(
                body=fault.spoil(event), expect=fault.reason, clean=message.body, wrong="", binary=False
            )

    def _contradict(self, message: Message, letter: Letter, arrival: int) -> None:
        """Now and then the same id comes again an hour later, with other content."""
        service = letter.script.services[letter.service]
        steady = service.counted or service.reports or message.wrong
        if not steady and _is_use(message) and self._happens(_CONFLICTING_ONE_IN):
            other = faults.changed(orjson.loads(message.body))
            self._push(arrival + 3_600, message._replace(body=other, expect="conflicting-duplicate"))

    def _next_fault(self) -> faults.Fault:
        fault = faults.FAULTS[self._broken % len(faults.FAULTS)]
        self._broken += 1
        if fault.reason == "too-large":
            self._large += 1
            if self._large > _LARGE_AT_MOST:
                return self._next_fault()
        return fault

    # --- what services say they sent

    def plan_reports(self, script: Script, first: date, end: date) -> None:
        """Let the services that report say every month what they sent in the one before."""
        month = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        while (after := (month + timedelta(days=32)).replace(day=1)) < end - timedelta(days=3):
            for name, service in script.services.items():
                if service.reports:
                    self._plan_report(script, name, month, after)
            month = after

    def _plan_report(self, script: Script, name: str, month: date, after: date) -> None:
        chance = rng(self._seed, script.organisation, name, month)
        at = midnight(after) + _REPORTS_AFTER + int(chance.random() * 3_600)
        report = {
            "specversion": "1.0",
            "id": event_id(at, chance),
            "source": script.services[name].source,
            "type": "pdl.source.reported.v1",
            "time": text_of(at),
            "datacontenttype": "application/json",
            "data": {
                "organisation": script.organisation,
                "from": text_of(midnight(month)),
                "to": text_of(midnight(after)),
                "counts": _COUNTS.strip('"'),
            },
        }
        text = orjson.dumps(report).decode().removesuffix("}")
        self._push(at, Letter(text, script, name, at, f"{script.organisation}/report/{name}", report=True))

    def _counted(self, service: Service, at: int) -> str:
        counts = self._counts[service.source, (_month(at) - timedelta(days=1)).replace(day=1)]
        return orjson.dumps(dict(sorted(counts.items()))).decode()


def _month(at: int) -> date:
    return day_of(local_day(at)).replace(day=1)


def _is_use(message: Message) -> bool:
    return _USED in message.body[:_HEAD_BYTES]


def _wire(text: str) -> str:
    begin = text.index('"type":"') + 8
    return text[begin : text.index('"', begin)]
