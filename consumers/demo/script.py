"""The form of a script: what happens in one organisation, as data (scripts/*.toml).

A *thing* belongs to the organisation (a contract, a monthly control, a client and its assignments); a *journey*
is what one person meets with; both are lists of *steps*, each an event of the contract or a *scene* of steps. A
*wrong* is a journey or a thing with something changed, and names the rules that a judge must then find broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec
import orjson
from msgspec import Struct

from consumers.demo.people import PeopleFile
from consumers.demo.times import HOURS, Wait, wait
from ledger.domain.events import BY_WIRE, NO_SUBJECT

START: Final = "start"
NEVER: Final = 2**60
_SLOT: Final = re.compile(r"\{([A-Za-z0-9_:|.-]+)\}")


class Step(Struct, kw_only=True, forbid_unknown_fields=True):
    """One event, or one scene, and when it happens.

    `after` names an earlier step, a mark or "start" (default: the step before); `wait` and `every` are waits;
    `day` moves a repetition to that day of its month; `until` names the mark that ends it; `when` a flag ("!flag"
    for its absence); `keep` reports it (or plays the scene) even if it happened before the year; `skip` leaves out that repetition.
    `set` gives attributes a value, or chooses one anew (an empty value).
    """

    id: str = ""
    type: str = ""
    scene: str = ""
    service: str = ""
    after: str = ""
    wait: str = "0s"
    hours: str = ""
    chance: float = 1.0
    times: str = "1"
    every: str = ""
    day: int = 0
    until: str = ""
    when: str = ""
    keep: bool = False
    skip: int = -1
    subject: bool = True
    role: str = ""
    values: list[str] = []
    data: dict[str, Any] = {}
    set: dict[str, str] = {}


class Mark(Struct, kw_only=True, forbid_unknown_fields=True):
    """A moment decided at the start of a story; with a chance below 1 it may never come."""

    after: str = START
    wait: str
    hours: str = ""
    chance: float = 1.0
    when: str = ""


class Story(Struct, kw_only=True, forbid_unknown_fields=True):
    """A journey of a person, or a thing of the organisation.

    `start` counts from the beginning of the year, or from the mark `from` of the thing `of`. `weight` is the
    share of a journey among the people of its organisation, `only` makes it that many, whoever many people;
    `rows` and `count` say how many of a thing there are. `data` is part of every event.
    """

    id: str
    weight: float = 0.0
    only: int = 0
    of: str = ""
    from_: str = msgspec.field(name="from", default="")
    start: str = "0d"
    count: int = 1
    rows: list[dict[str, str]] = msgspec.field(default_factory=lambda: [{}])
    service: str = ""
    subject: dict[str, Any] = {}
    data: dict[str, Any] = {}
    set: dict[str, str] = {}
    flags: dict[str, float] = {}
    marks: dict[str, Mark] = {}
    steps: list[Step]
    protagonist: bool = False
    wrong: str = ""


class Wrong(Struct, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong: how often, in which story, with what changed, and the rules that it breaks.

    `change` replaces fields of steps by id, `drop` leaves steps out, `remove` takes "step.field" out of its data,
    `steps` come after the story's own. `findings` is how many findings each of them brings at least. `beside`
    are rules that are broken with it, as a consequence.
    """

    id: str
    rules: list[str]
    count: int = 1
    story: str
    why: str
    beside: list[str] = []
    of: str = ""
    start: str = ""
    rows: list[dict[str, str]] = []
    set: dict[str, str] = {}
    flags: dict[str, float] = {}
    marks: dict[str, Mark] = {}
    subject: dict[str, Any] = {}
    drop: list[str] = []
    change: dict[str, dict[str, Any]] = {}
    remove: list[str] = []
    steps: list[Step] = []


class Service(Struct, kw_only=True, forbid_unknown_fields=True):
    """A system that publishes events: its source, and its habits.

    `late` is the share of its messages that come hours or days late, `counted` that it numbers them, `reports`
    that it says monthly how many it sent, `local` that it writes local times, `binary` that it publishes in
    binary mode where the transport has headers.
    """

    source: str
    late: float = 0.0
    counted: bool = False
    reports: bool = False
    local: bool = False
    binary: bool = False


class Script(Struct, kw_only=True, forbid_unknown_fields=True):
    """One organisation's year."""

    organisation: str
    share: float
    services: dict[str, Service]
    accounts: dict[str, int]
    data: dict[str, Any] = {}
    things: list[Story] = []
    journeys: list[Story] = []
    scenes: dict[str, list[Step]] = {}
    wrongs: list[Wrong] = []


class Line:
    """A step made ready: its event as a text with slots, so that telling it is filling them in."""

    __slots__ = (
        "after", "chance", "day", "every", "hours", "id", "keep", "local", "scene", "service", "set",
        "skip", "slots", "text", "times", "until", "wait", "when",
    )  # fmt: skip

    def __init__(self, step: Step, story: Story, script: Script) -> None:
        self.id, self.scene, self.after, self.until = step.id, step.scene, step.after, step.until
        self.wait: Wait = wait(step.wait)
        self.every: Wait = wait(step.every or "0s")
        self.hours, self.day, self.chance, self.keep, self.skip = (
            step.hours,
            step.day,
            step.chance,
            step.keep,
            step.skip,
        )
        low, _, high = step.times.partition("..")
        self.times = (int(low), int(high or low))
        self.when = step.when
        self.set = dict(step.set)
        self.service = step.service or story.service
        self.text, self.slots, self.local = "", (), False
        if step.hours and step.hours not in HOURS:
            raise ValueError(f"{script.organisation}/{story.id}/{step.id}: no hours {step.hours}")
        if not step.scene:
            self._compile(step, story, script)

    slots: tuple[str, ...]

    def _compile(self, step: Step, story: Story, script: Script) -> None:
        wire = f"pdl.{step.type}.v1"
        service = script.services[self.service]
        self.local = service.local
        envelope = {
            "specversion": "1.0",
            "id": "{id}",
            "source": service.source,
            "type": wire,
            "time": "{at}",
            "datacontenttype": "application/json",
            "data": _data(step, story, script, with_subject=step.subject and BY_WIRE[wire].SUBJECT != NO_SUBJECT),
        }
        whole = orjson.dumps(envelope).decode().removesuffix("}")
        self.text = _SLOT.sub("%s", whole.replace("%", "%%"))
        self.slots = tuple(_SLOT.findall(whole))


def _data(step: Step, story: Story, script: Script, *, with_subject: bool) -> dict[str, Any]:
    known = _fields(step.type)
    common = {key: value for key, value in {**script.data, **story.data}.items() if key in known}
    made: dict[str, Any] = {"organisation": script.organisation, **common}
    if with_subject and story.subject:
        made["subject"] = story.subject
    if step.role:
        made["actor"] = {"role": step.role, "id": f"{{account:{step.role}}}"}
    if step.values:
        made["values"] = dict(_value(entry) for entry in step.values)
    # An empty value takes out what the story or the script gives to every event.
    return {key: value for key, value in {**made, **step.data}.items() if value != ""}


@cache
def _fields(name: str) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(BY_WIRE[f"pdl.{name}.v1"]))


def _value(entry: str) -> tuple[str, str]:
    """A category and its slot; "ip-address=ip-hash" fills a category from an attribute of another name."""
    category, _, attribute = entry.partition("=")
    return category, f"{{{attribute or category}}}"


def scripts() -> Iterator[Script]:
    """Every script of this package, by name."""
    for file in sorted(_folder().iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            yield msgspec.toml.decode(file.read_bytes(), type=Script)


def people_file() -> PeopleFile:
    """The lists and patterns that people are made from."""
    return msgspec.toml.decode(files(__package__).joinpath("people.toml").read_bytes(), type=PeopleFile)


def _folder() -> Traversable:
    return files(__package__).joinpath("scripts")


def gone_wrong(wrong: Wrong, stories: Mapping[str, Story]) -> Story:
    """The story of a wrong: the one it starts from, with its changes."""
    raw = msgspec.to_builtins(stories[wrong.story])
    raw["id"], raw["wrong"], raw["protagonist"], raw["weight"], raw["only"] = wrong.id, wrong.id, False, 0, 0
    for key in ("set", "flags", "subject"):
        raw[key] |= getattr(wrong, key)
    raw["marks"] |= msgspec.to_builtins(wrong.marks)
    raw["start"] = wrong.start or raw["start"]
    raw["of"] = wrong.of or raw["of"]
    raw["rows"] = wrong.rows or raw["rows"]
    raw["steps"] = [_changed(step, wrong) for step in raw["steps"] if step["id"] not in wrong.drop]
    raw["steps"] += msgspec.to_builtins(wrong.steps)
    return msgspec.convert(raw, Story)


def _changed(step: dict[str, Any], wrong: Wrong) -> dict[str, Any]:
    change = wrong.change.get(step["id"], {})
    data = {**step["data"], **change.get("data", {})}
    for path in wrong.remove:
        name, _, field = path.partition(".")
        if name == step["id"]:
            data[field] = ""
    return {**step, **change, "data": data}
