"""What a table shows of a register: fewer columns than JSON and CSV have, so that a person can read across."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ledger.keys import IDENTITY

Row = dict[str, Any]


def _day(moment: str | None) -> str | None:
    return moment and moment[:10]


def place(row: Mapping[str, Any]) -> str:
    """Activity, dataset and client in a word."""
    found = "/".join(row[name] for name in ("activity", "dataset") if row.get(name))
    return f"{found} for {row['client']}" if row.get("client") else found


def _finding(row: Row) -> Row:
    made_good = f" (made good {_day(row['until'])})" if row["until"] else ""
    return {
        "severity": row["severity"],
        "rule": row["rule"],
        "organisation": row["organisation"],
        "activity": row["activity"],
        "person": row["person"],
        "since": _day(row["since"]),
        "message": f"{row['message']['en']}{made_good}",
    }


def retention(row: Row) -> Row:
    """A line of retention: what, until when, by which sentence, and who still has it."""
    held = row["hold_statute"] or row.get("hold_rule") or "a statute"
    return {
        "organisation": row["organisation"],
        "person": row["person"],
        "kept": place(row),
        "due": _day(row["due"]),
        "state": f"held: {held}"
        if row["state"] == "held"
        else row["state"].replace("clock-not-started", "no clock yet"),
        "systems": row["systems"],
        "the statement says": f"{row['rule'] or ''} “{row['words'] or ''}”",
    }


def swept(row: Row) -> Row:
    """What a sweep did about one dataset."""
    statute = f": {row['statute']}" if row["statute"] else ""
    return {
        "organisation": row["organisation"],
        "person": row["person"],
        "kept": place(row),
        "due": _day(row["due"]),
        "rule": row["rule"],
        "outcome": f"{row['outcome']}{statute}",
        "case": row["case"],
    }


def _request(row: Row) -> Row:
    days = {name: _day(row[name]) for name in ("received", "due", "answered")}
    return {name: row[name] for name in ("organisation", "person", "right", "state", "late")} | days


def _disclosure(row: Row) -> Row:
    listed = "" if row["listed"] is not False else " (not in the statement)"
    return {
        "organisation": row["organisation"],
        "activity": row["activity"],
        "recipient": f"{row['recipient']}{listed}",
        "purpose": row["purpose"],
        "country": row["country"],
        "events": row["events"],
        "last": _day(row["last"]),
    }


def _source(row: Row) -> Row:
    remarks = {
        "numbers missing": row["missing"],
        "implausible times": row["implausible_times"],
        **(row["quarantined"] or {}),
    }
    return {
        "source": row["source"],
        "organisation": row["organisation"],
        "last heard": row["last_heard"],
        "recorded": row["recorded"],
        "remarks": ", ".join(f"{count} {what}" for what, count in remarks.items() if count),
    }


def waiting(row: Row) -> Row:
    """An input in quarantine: where it came from, why it waits."""
    return {
        "number": row["number"],
        "from": row["topic"] or row["source"] or row["stream"].partition(":")[0],
        "offset": row["offset"],
        "reason": row["reason"],
        "what to do": row["detail"],
        "state": row["state"],
    }


def happened(row: Row) -> Row:
    """A fact of a trail in a line."""
    words = [
        row["operation"],
        row["purpose"],
        row["recipient"] and f"to {row['recipient']}",
        row["basis"] and f"on {row['basis']}",
    ]
    return {
        "day": _day(row["time"]),
        "what": row["type"].removeprefix("pdl.").removesuffix(".v1"),
        "activity": row["activity"],
        "categories": row["categories"],
        "how": ", ".join(word for word in words if word),
        "system": row["system"],
    }


def opened(sections: Mapping[str, Any], role: str | None) -> Iterator[tuple[str, Any]]:
    """The values of a fact by category, whatever dataset they are in; then who acted."""
    for dataset, values in sections.items():
        if dataset != IDENTITY:
            yield from values.items() if isinstance(values, Mapping) else [(dataset, values)]
    envelope = sections.get(IDENTITY)
    data = envelope.get("data") if isinstance(envelope, Mapping) else None
    actor = data.get("actor") if isinstance(data, Mapping) else None
    account = actor.get("id") if isinstance(actor, Mapping) else None
    who = " ".join(str(part) for part in (role, account) if part)
    if who:
        yield "by", who


def _trail(row: Row) -> Row:
    return {"organisation": row["organisation"], "person": row["person"], **happened(row)}


TELLING: Final[dict[str, Callable[[Row], Row]]] = {
    "findings": _finding,
    "retention": retention,
    "requests": _request,
    "disclosures": _disclosure,
    "sources": _source,
    "trail": _trail,
}


def told(register: str, row: Row) -> Row:
    """A row of a register as a table shows it."""
    return TELLING[register](row) if register in TELLING else row
