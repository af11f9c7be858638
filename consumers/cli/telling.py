"""What a table shows of a register: fewer columns than JSON and CSV have, so that a person can read across."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from ledger.domain.calendar import local
from ledger.keys import IDENTITY, Erased
from ledger.outcomes import ALL, Outcome, Sections, Superseded, Value, Withheld

Row = dict[str, Any]


def _day(moment: str | None) -> str | None:
    return moment and moment[:10]


def last_day(moment: str | None) -> str | None:
    """The last whole day before a moment at which something ends."""
    return moment and (local(datetime.fromisoformat(moment)) - timedelta(seconds=1)).date().isoformat()


def place(row: Mapping[str, Any]) -> str:
    """Activity, dataset and client in a word."""
    found = "/".join(row[name] for name in ("activity", "dataset") if row.get(name))
    return f"{found} for {row['client']}" if row.get("client") else found


def _finding(row: Row) -> Row:
    ended = f" (until {_day(row['until'])})" if row["until"] else ""
    return {
        "severity": row["severity"],
        "rule": row["rule"],
        "organisation": row["organisation"],
        "activity": row["activity"],
        "person": row["person"],
        "since": _day(row["since"]),
        "message": f"{row['message']['en']}{ended}",
    }


def retention(row: Row) -> Row:
    """A line of retention: what, until when, by which sentence, and who still has it."""
    held = row["hold_statute"] or row.get("hold_rule") or "a statute"
    here = ", erased here" if row["ledger_copy"] == "erased" and row["state"] != "erased" else ""
    return {
        "organisation": row["organisation"],
        "person": row["person"],
        "kept": place(row),
        "due": _day(row["due"]),
        "state": f"held: {held}"
        if row["state"] == "held"
        else row["state"].replace("clock-not-started", "no clock yet") + here,
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


def held(row: Row) -> Row:
    """A dataset of one person: how it stands, until when, by which sentence."""
    if row["state"] == "erased":
        state = f"erased {_day(row['erased']) or ''}".rstrip()
    elif row["state"] == "held":
        until = f" until {last_day(row['held_until'])}" if row["held_until"] else ""
        state = f"held: {row['hold_statute'] or 'a statute'}{until}"
    else:
        state = "overdue" if row["overdue"] else row["state"]
    return {
        "organisation": row["organisation"],
        "kept": place(row),
        "state": state,
        "due": None if row["state"] == "erased" else _day(row["due"]),
        "systems": row["systems"],
        "the statement says": f"{row['rule'] or ''} “{row['words']}”" if row["words"] else row["rule"],
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
        "country": " by ".join(part for part in (row["country"], row["transfer_tool"]) if part),
        "contract": "named" if row["contract"] else "none named",
        "events": row["events"],
        "last": _day(row["last"]),
    }


def _collection(row: Row) -> Row:
    listed = "" if row["listed"] is not False else " (not in the statement)"
    return {
        "organisation": row["organisation"],
        "activity": place(row),
        "category": f"{row['category']}{listed}",
        "of whom": row["class"],
        "from": row["origin"],
        "basis": row["basis"],
        "events": row["events"],
        "last": _day(row["last"]),
    }


def _use(row: Row) -> Row:
    return {
        "organisation": row["organisation"],
        "activity": place(row),
        "used": f"{row['operation']} for {row['purpose']}",
        "by": row["role"],
        "basis": row["basis"],
        "categories": row["categories"],
        "events": row["events"],
        "last": _day(row["last"]),
    }


def _consent(row: Row) -> Row:
    return {
        "organisation": row["organisation"],
        "person": row["person"],
        "activity": place(row),
        "purpose": row["purpose"],
        "recipient": row["recipient"],
        "state": row["state"],
        "since": _day(row["since"]),
        "until": _day(row["until"]),
        "evidence": row["evidence"],
    }


def _contract(row: Row) -> Row:
    return {
        "organisation": row["organisation"],
        "with": row["person"] or row["party"],
        "client": row["client"],
        "kind": row["kind"],
        "from": _day(row["from"]),
        "until": _day(row["ended"] or row["until"]),
        "country": row["country"],
        "services": row["services"],
    }


def _erasure(row: Row) -> Row:
    kept = [f"{part['dataset']} ({part['statute'] or part['outcome']})" for part in row["kept"] or ()]
    return {
        "case": row["case"],
        "organisation": row["organisation"],
        "person": row["person"],
        "ordered": _day(row["ordered"]),
        "reason": row["reason"],
        "state": row["state"],
        "erased": [part["dataset"] for part in row["datasets"] or ()],
        "stays": kept,
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
        "complete up to": row["complete_up_to"],
        "recorded": row["recorded"],
        "remarks": ", ".join(f"{count} {what}" for what, count in remarks.items() if count),
    }


def source(row: Row) -> Row:
    """The scorecard of a service in a line."""
    remarks = {
        "numbers missing": row["missing"],
        "implausible times": row["implausible_times"],
        "reports that differ": sum(bool(report["differing"]) for report in row["reported"]),
        **{f"quarantined as {reason}": count for reason, count in row["quarantined"].items()},
        **{f"unknown field {name}": count for name, count in row["unknown_fields"].items()},
    }
    silent = [f"silent since {_day(row['silent_since'])}"] if row["silent_since"] else []
    return {
        "source": row["source"],
        "may speak for": row["registered"],
        "last heard": row["last_heard"],
        "complete up to": row["complete_up_to"],
        "recorded": row["recorded"],
        "remarks": ", ".join([*silent, *(f"{count} {what}" for what, count in remarks.items() if count)]),
        "findings": ", ".join(f"{count} {code}" for code, count in row["findings"].items()),
    }


def waiting(row: Row) -> Row:
    """An input in quarantine: where it came from, why it waits."""
    return {
        "number": row["number"],
        "from": row["topic"] or row["source"] or row["stream"].partition(":")[0],
        "offset": row["offset"] if "offset" in row else row["place"],
        "reason": row["reason"],
        "detail": row["detail"],
        "state": row["state"],
    }


def happened(row: Row) -> Row:
    """A fact of a trail in a line."""
    words = [
        row["operation"],
        row["purpose"] and f"for {row['purpose']}",
        row["recipient"] and f"to {row['recipient']}",
        row["basis"] and f"on {row['basis']}",
        row["system"] and f"in {row['system']}",
    ]
    return {
        "day": _day(row["time"]),
        "what": row["type"].removeprefix("pdl.").removesuffix(".v1"),
        "activity": row["activity"],
        "categories": row["categories"],
        "how": ", ".join(word for word in words if word),
    }


def as_json(sections: Sections) -> dict[str, Any]:
    """The outcome of each value as JSON: value, superseded, erased or withheld, never one in the dress of another."""
    return {
        dataset: {category: _outcome(one) for category, one in part.items()}
        if isinstance(part, dict)
        else _outcome(part)
        for dataset, part in sections.items()
    }


def _outcome(found: Outcome) -> dict[str, Any]:
    match found:
        case Value(content):
            return {"outcome": "value", "value": content}
        case Superseded(content, at, by):
            return {"outcome": "superseded", "value": content, "at": local(at).isoformat(), "by": by}
        case Erased(_, case):
            return {"outcome": "erased", "case": case or None}
        case Withheld(why):
            return {"outcome": "withheld", "why": why}


def seen(outcome: Mapping[str, Any]) -> Any:
    """An outcome in the place of a value, as a person reads it."""
    match outcome["outcome"]:
        case "value":
            return outcome["value"]
        case "superseded":
            return f"{outcome['value']} (rectified {outcome['at'][:10]})"
        case other:
            return f"({other})"


def opened(sections: Mapping[str, Any], role: str | None) -> Iterator[tuple[str, Any]]:
    """The values of a fact by category, whatever dataset they are in; then who acted."""
    for dataset, part in sections.items():
        if "outcome" in part and isinstance(part["outcome"], str):
            yield dataset, seen(part)
        elif dataset != IDENTITY:
            yield from ((category, seen(one)) for category, one in part.items())
    account = (_event(sections).get("actor") or {}).get("id")
    who = " ".join(str(part) for part in (role, account) if part)
    if who:
        yield "by", who


def said(sections: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Ids as the service sent them, where a trail has tokens and the event itself was opened."""
    event = _event(sections)
    return {name: event[name] for name in names if event.get(name) is not None}


def _event(sections: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data of an opened event, without its values; nothing where it was not opened."""
    whole = sections.get(IDENTITY, {}).get(ALL, {}).get("value") or {}
    return whole.get("data") or {}


def _trail(row: Row) -> Row:
    return {"organisation": row["organisation"], "person": row["person"], **happened(row)}


TELLING: Final[dict[str, Callable[[Row], Row]]] = {
    "collections": _collection,
    "uses": _use,
    "consents": _consent,
    "contracts": _contract,
    "erasures": _erasure,
    "quarantine": waiting,
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
