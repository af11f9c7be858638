"""What the tour shows: short screens that a privacy officer can read, a hundred columns wide, with or without a terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from consumers.cli.telling import last_day
from ledger.domain.calendar import local
from ledger.policy.model import Packs

if TYPE_CHECKING:
    from rich.table import Table

    from projections.register import Row

WIDTH: Final = 100
_TELLING: Final = (
    "after-stop",
    "prohibited",
    "no-contract",
    "not-transformed",
    "not-for-this-class",
    "overdue",
    "no-consent",
    "not-answered",
    "control-missed",
    "precondition-missing",
    "kept-too-short",
    "not-informed",
    "not-a-recipient",
    "outside-access",
    "breach-not-notified",
    "no-notice",
    "warranty-missing",
    "not-listed",
    "sequence-gap",
)
"""Kinds of finding, the most telling first."""
_PER_ORGANISATION: Final = 2
_FINDINGS: Final = 9
_OVERDUE: Final = 8
_MEANING: Final = 72
REASONS: Final = {
    "undecodable": "not JSON: cut off, or not UTF-8",
    "not-an-event": "JSON, but not a CloudEvent",
    "unknown-type": "an event type that the contract does not know",
    "schema": "a field is lacking, or is of the wrong type",
    "unknown-organisation": "no statement of this ledger is for that organisation",
    "source-not-allowed": "a service that may not speak for that organisation",
    "conflicting-duplicate": "the id of an earlier event, with other content",
    "too-large": "more than a megabyte: an attachment",
    "sealed-unreadable": "sealed for another ledger",
}


class Screen:
    """Where the tour writes: headings, sentences and tables."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 -- 70 ms, only when drawing

        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
        self._console = Console(file=sys.stdout, width=min(width, WIDTH), highlight=False, emoji=False, markup=False)
        self._number = 0

    def heading(self, title: str, why: str) -> None:
        """Begin a screen: its title, and a sentence that says why it matters."""
        self._number += 1
        self._console.print()
        self._console.print(f"{self._number}  {title}", style="bold cyan")
        self.say(why)
        self._console.print()

    def say(self, sentence: str, *, style: str = "") -> None:
        """A sentence, wrapped."""
        for line in textwrap.wrap(sentence, self._console.width - 1):
            self._console.print(line, style=style)

    def gap(self) -> None:
        """An empty line."""
        self._console.print()

    def command(self, line: str, meaning: str) -> None:
        """A command to try, and what it answers."""
        self._console.print(f"  {line}", style="bold", soft_wrap=True)
        self._console.print(f"      {meaning}")

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        right: Sequence[str] = (),
        widths: Mapping[str, int] | None = None,
    ) -> None:
        """A table without lines; `right` names the columns of numbers, `widths` those that wrap."""
        drawn = _table()
        for name in columns:
            width = (widths or {}).get(name)
            drawn.add_column(
                name,
                justify="right" if name in right else "left",
                overflow="fold",
                max_width=width,
                no_wrap=name in right,
            )
        for row in rows:
            drawn.add_row(*row)
        with self._console.capture() as captured:
            self._console.print(drawn)
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _table() -> Table:
    from rich.table import Table  # noqa: PLC0415 -- as above

    return Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 2))


def outcome(screen: Screen, counts: Mapping[str, int], problems: Mapping[str, int]) -> None:
    """What became of every message."""
    meanings = {
        "recorded": "in the log, sealed under keys of the person concerned",
        "duplicate": "sent twice by its service; counted, not recorded again",
        "quarantined": "could not be read as an event; kept sealed, with its reason",
    }
    screen.table(
        ("became", "messages", "that is"),
        [(name, f"{counts[name]:,}", text) for name, text in meanings.items()],
        right=("messages",),
    )
    screen.gap()
    rows = [
        (reason, f"{number:,}", REASONS.get(reason, ""))
        for reason, number in sorted(problems.items(), key=lambda item: -item[1])
    ]
    screen.table(("quarantined for", "messages", "that is"), rows, right=("messages",))


def organisations(
    screen: Screen, packs: Packs, people: Mapping[str, int], sources: Sequence[Row], findings: Sequence[Row]
) -> None:
    """The organisations, and how many of their people a finding concerns."""
    rows = []
    for name, pack in packs.items():
        mine = [row for row in findings if row["organisation"] == name]
        concerned = {row["person"] for row in mine if row["person"]}
        events = sum(row["events"] or 0 for row in sources if row["organisation"] == name)
        share = f"{len(concerned) / people[name]:.0%}" if people.get(name) else ""
        rows.append((pack.name, pack.version, f"{people.get(name, 0):,}", f"{events:,}", f"{len(mine):,}", share))
    numbers = ("people", "events", "findings", "people in them")
    screen.table(("organisation", "statement", *numbers), rows, right=numbers)


def registers(screen: Screen, counts: Mapping[str, tuple[int, str]]) -> None:
    """The registers in short."""
    rows = [
        (name, f"{number:,}", textwrap.shorten(meaning, _MEANING, placeholder=" ..."))
        for name, (number, meaning) in counts.items()
    ]
    screen.table(("register", "rows", "what it knows"), rows, right=("rows",))


def findings(screen: Screen, packs: Packs, found: Sequence[Row]) -> None:
    """The most telling findings, each beside the words of the statement that it breaks."""
    rows = []
    for group in _telling(found):
        row = group[0]
        name = packs[row["organisation"]].name
        rows.append((f"{row['rule']}\n{name}", _words(row), f"{_what(row)}\n{_how_often(group)}"))
        rows.append(("", "", ""))
    screen.table(
        ("rule", "the statement says", "what happened"),
        rows[:-1],
        widths={"rule": 24, "the statement says": 33, "what happened": 35},
    )


def _words(row: Row) -> str:
    """The words of the statement, quoted; what the law says where no statement does."""
    if _is_law(row):
        return f"(the law:) {row['words'] or ''}"
    return f"“{row['words']}”"


def _telling(found: Sequence[Row]) -> list[list[Row]]:
    """Groups of findings of one rule and kind: no kind twice, at most two an organisation, the statement before the law."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in found:
        groups[row["code"], row["rule"]].append(row)
    chosen: list[list[Row]] = []
    taken: Counter[str] = Counter()
    for code in _TELLING:
        candidates = [group for (kind, _), group in groups.items() if kind == code]
        best = min(candidates, key=lambda group: _rank(group, taken), default=[])
        if best and len(chosen) < _FINDINGS and taken[best[0]["organisation"]] < _PER_ORGANISATION:
            taken[best[0]["organisation"]] += 1
            chosen.append(best)
    return sorted(chosen, key=lambda group: (_is_law(group[0]), group[0]["rule"]))


def _rank(group: Sequence[Row], taken: Mapping[str, int]) -> tuple[bool, bool, int, int, str]:
    """What to show first: what an organisation with few findings so far did against its own words, often."""
    row = group[0]
    before = taken[row["organisation"]]
    return before >= _PER_ORGANISATION, _is_law(row), before, -len(group), row["rule"]


def _is_law(row: Row) -> bool:
    return str(row["rule"]).startswith("GDPR-")


def _what(row: Row) -> str:
    """The message without the words that stand beside it."""
    message: str = row["message"]["en"]
    quoted, _, rest = message.partition("\u2019: ")
    return rest if quoted.startswith("\u2018") and rest else message


def _how_often(group: Sequence[Row]) -> str:
    people = {row["person"] for row in group if row["person"]}
    last = max(day(row["since"]) for row in group)
    times = "once" if len(group) == 1 else f"{len(group)} times"
    return f"{times}, {len(people)} people, last on {last}" if len(people) > 1 else f"{times}, on {last}"


def overdue(screen: Screen, packs: Packs, lines: Sequence[Row]) -> None:
    """What is kept longer than promised, by dataset and sentence."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in lines:
        if row["state"] == "overdue":
            groups[row["organisation"], f"{row['activity']}/{row['dataset']}", row["rule"] or ""].append(row)
    rows = []
    for (organisation, place, rule), group in sorted(groups.items(), key=lambda item: -len(item[1]))[:_OVERDUE]:
        pack = packs[organisation]
        activity, _, dataset = place.partition("/")
        label = (
            pack.activities[activity].datasets[dataset].en
            if activity in pack.activities and dataset in pack.activities[activity].datasets
            else place
        )
        oldest = min(day(row["overdue_since"]) for row in group)
        rows.append((rule, f"{len(group)}", oldest, label, f"“{group[0]['words']}”" if group[0]["words"] else ""))
    screen.table(
        ("rule", "people", "first due", "what is still kept", "the statement says"),
        rows,
        right=("people",),
        widths={"what is still kept": 28, "the statement says": 36},
    )


def day(moment: str | datetime | None) -> str:
    """A moment as a date in Amsterdam."""
    if moment is None:
        return ""
    return local(datetime.fromisoformat(moment) if isinstance(moment, str) else moment).date().isoformat()


def datasets(screen: Screen, packs: Packs, rows: Sequence[Row], values: Mapping[str, Mapping[str, Any] | str]) -> None:
    """What is held of a person: each dataset, how it stands, and the values that can be opened."""
    shown = []
    for row in rows:
        pack = packs[row["organisation"]]
        activity = pack.activities.get(row["activity"] or "")
        known = activity.datasets.get(row["dataset"]) if activity else None
        opened = values.get(f"{row['activity']}/{row['dataset']}", "(no values kept)")
        text = opened if isinstance(opened, str) else "\n".join(f"{name}: {value}" for name, value in opened.items())
        shown.append((known.en if known else row["dataset"], _state(row), text))
        shown.append(("", "", ""))
    screen.table(("dataset", "state", "values"), shown[:-1], widths={"dataset": 26, "state": 24, "values": 44})


def _state(row: Row) -> str:
    if row["state"] == "erased":
        return f"erased {day(row['erased'])}"
    if row["state"] == "held":
        until = f"\nuntil {last_day(row['held_until'])}" if row["held_until"] else ""
        return f"held: {row['hold_statute']}{until}"
    due = f"\nto be erased by {last_day(row['due'])}" if row["due"] else "\nno term is running"
    return f"{row['state']}{due}"


def trail(screen: Screen, rows: Sequence[Row], most: int) -> None:
    """The last things that happened to somebody's data."""
    shown = [(day(row["time"]), _deed(row["type"]), _detail(row)) for row in rows[-most:]]
    screen.table(("when", "what", "for what, by whom"), shown, widths={"for what, by whom": 60})


def _deed(wire: str) -> str:
    return wire.removeprefix("pdl.").rpartition(".v")[0].replace(".", " ")


def _detail(row: Mapping[str, Any]) -> str:
    about = ", ".join(row["categories"] or ())
    circumstances = [
        about,
        *(f"{name} {row[name]}" for name in ("purpose", "operation", "recipient", "system", "role") if row.get(name)),
    ]
    return " · ".join(part for part in circumstances if part)


def erasure(screen: Screen, packs: Packs, organisation: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """What an erasure did with each dataset."""
    words = {
        "erased": "keys destroyed: nothing opens it any more",
        "held": "stays",
        "nothing-held": "the ledger held no value of it",
    }
    shown = []
    for row in rows:
        activity, _, name = row["dataset"].rpartition("/")
        known = (
            packs[organisation].activities[activity].datasets.get(name)
            if activity in packs[organisation].activities
            else None
        )
        because = f": {row['statute']}" if row["statute"] else ""
        until = f", until {last_day(row['until'])}" if row["until"] else ""
        shown.append((known.en if known else name, row["outcome"], f"{words[row['outcome']]}{because}{until}"))
    screen.table(("dataset", "outcome", "that is"), shown, widths={"that is": 56})
