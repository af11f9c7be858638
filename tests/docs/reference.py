"""Writes the reference from the code: events, errors, settings, commands, registers and kinds of promise."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import click
import msgspec
from msgspec import Meta, Raw, Struct

from consumers.cli import SECTIONS, cli, status_of
from consumers.settings import NOT_SETTINGS, PREFIX, Settings
from ledger.domain import errors
from ledger.domain.envelope import BODY_BYTES_MAX, REASONS
from ledger.domain.errors import LedgerError
from ledger.domain.events import (
    EVENT_TYPES,
    NO_SUBJECT,
    SUBJECT_OPTIONAL,
    Actor,
    Event,
    Identifier,
    Notice,
    Subject,
)
from ledger.domain.facts import shown
from ledger.policy import promises
from ledger.policy.filters import When
from ledger.policy.findings import CODES
from ledger.policy.promises import PromiseBase
from projections.registers import ALL
from tests.docs.texts import ROOT

WRITTEN: Final = "<!-- Written from the code by `make docs`; edit the code, not this page. -->\n\n"

REASONS_SAID: Final = {
    "undecodable": "The bytes are no JSON, no UTF-8, nested too deep, or an object repeats a key.",
    "not-an-event": "The JSON is no CloudEvent 1.0: specversion, id, source, type or time is missing or no text.",
    "unknown-type": "The contract has no such event type.",
    "schema": "The event does not fit the schema of its type. `pdl schema TYPE` prints it.",
    "unknown-organisation": "No policy pack of this ledger is for that organisation.",
    "source-not-allowed": "The source may not say this: `pdl source list` shows who may say what, `pdl source add` and `pdl quarantine retry` mend it.",
    "conflicting-duplicate": "The source used this event id before, for other content.",
    "too-large": f"The message is larger than {BODY_BYTES_MAX:,} bytes.",
    "sealed-unreadable": "The data are sealed, and no ingest key of this ledger opens them: another key, a destroyed one, or an attribute was changed.",
}
"""What each reason of quarantine means to the one who sent the message."""

_SHOWN: Final = {
    "plain": "clear",
    "space": "clear if the pack or contract lists it, else a token",
    "keyed": "token",
    "sealed": "sealed",
    "values": "categories clear, values sealed",
    "notice": "clear if listed, else a token",
    "other": "pseudonym",
    "parameters": "listed parameters clear, others sealed",
    "by-id": "clear; ids as listed, else tokens",
}


def _paragraph(text: str | None) -> str:
    """A docstring as one paragraph of Markdown."""
    return " ".join(inspect.cleandoc(text or "").split())


def _prose(text: str | None) -> str:
    """A docstring as Markdown, paragraph by paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text or "").split("\n\n"))


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    body = "".join(_row(*row) for row in rows)
    return _row(*head) + _row(*["---"] * len(head)) + body + "\n"


# --- types in words --------------------------------------------------------------------------------------------------


def _form(hint: Any) -> str:
    """How a field looks on the wire, in a few words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(parts[0], parts[1:])
    if origin is Literal:
        return ", ".join(str(part) for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_form(part) for part in parts if part is not NoneType)
    if origin is tuple:
        return f"list of {_form(parts[0])}"
    if origin is dict:
        return f"object {{{_form(parts[0])}: {_form(parts[1])}}}"
    return _NAMED.get(hint) or (hint.__name__.lower() if isinstance(hint, type) else "any JSON")


_NAMED: Final[dict[Any, str]] = {
    str: "text",
    int: "number",
    bool: "true or false",
    Raw: "any JSON",
    Any: "any JSON",
    Subject: "[subject](#subject)",
    Identifier: "[identifier](#identifier)",
    Actor: "[actor](#actor)",
    Notice: "[notice](#notice)",
}


def _annotated(base: Any, metas: tuple[Any, ...]) -> str:
    meta = next((meta for meta in metas if isinstance(meta, Meta)), None)
    if meta is None:
        return _form(base)
    space = (meta.extra or {}).get("space")
    if space:
        return f"{space} id"
    pattern = meta.pattern or (meta.extra_json_schema or {}).get("pattern")
    if pattern:
        return _PATTERNS.get(pattern, "text")
    if meta.tz:
        return "RFC 3339 time"
    return _form(base)


_PATTERNS: Final = {
    "^[A-Z]{2}$": "country (ISO 3166-1 alpha-2)",
    "^[a-z]{2,3}(-[A-Za-z]{2})?$": "language tag",
    r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2}))?$": "RFC 3339 time, or a date",
}


def _fields(struct: type[Struct], *, without: frozenset[str] = frozenset()) -> Iterator[tuple[str, str, bool, str]]:
    """(name in Python, name on the wire, required, form) of each field."""
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        if field.name not in without:
            yield field.name, field.encode_name, field.required, _form(hints[field.name])


# --- events ----------------------------------------------------------------------------------------------------------


def events() -> str:
    """Every event type: fields, forms, and how each field may be seen outside the seal."""
    common = frozenset(Event.__struct_fields__)
    out = [
        WRITTEN,
        "# Events\n\n",
        f"The {len(EVENT_TYPES)} types that services publish, as CloudEvents 1.0 in structured or binary mode.\n",
        "`pdl schema TYPE` prints the JSON Schema of one type. [How to publish events](../how-to/publish-events.md) shows the way.\n\n",
        "The last column says what can be seen of a field without a key. *Clear* means readable in the log. A *token* is a keyed hash:\n",
        "equal texts give equal tokens, and the text cannot be read from it. *Sealed* means that only its presence is visible.\n\n",
        "## Envelope\n\n",
        _table(
            ("attribute", "form", "required"),
            [
                ("specversion", "1.0", "yes"),
                ("id", "text, opaque: never a name or an address", "yes"),
                ("source", "text (URI), opaque", "yes"),
                ("type", "one of the types below", "yes"),
                ("time", "RFC 3339 time with a zone: when it happened", "yes"),
                ("datacontenttype", "application/json", "no"),
                ("sequence", "number: consecutive per source; a gap is a finding", "no"),
                ("data", "object, see the type", "yes"),
            ],
        ),
        "## Fields of every type\n\n",
        _field_table(
            Event, frozenset(), _ways(Event) | {"organisation": "clear", "actor": "role as listed, id sealed"}
        ),
    ]
    for struct in (Subject, Identifier, Actor, Notice):
        out += [
            f"### {struct.__name__}\n\n",
            f"{_paragraph(struct.__doc__)}\n\n",
            _field_table(struct, frozenset(), _INNER | _OWN.get(struct, {})),
        ]
    out += ["## Types\n\n", *(_event(event, common) for event in EVENT_TYPES)]
    return "".join(out).rstrip() + "\n"


_INNER: Final = {
    "scheme": "clear if listed, else a token",
    "value": "sealed; a pseudonym stands for the person",
    "class_": "clear if listed, else a token",
    "age": "clear",
    "also": "pseudonyms",
    "role": "clear if listed, else a token",
    "id": "clear if listed, else a token",
    "version": "clear if listed, else a token",
    "at": "clear",
    "language": "clear",
}

_OWN: Final[dict[type[Struct], dict[str, str]]] = {Actor: {"id": "sealed"}}


def _ways(event: type[Event]) -> dict[str, str]:
    return {step.field: _SHOWN[step.how] for step in shown(event)}


def _field_table(struct: type[Struct], without: frozenset[str], ways: dict[str, str]) -> str:
    rows = [
        (wire, form, "yes" if required else "no", ways.get(name, ""))
        for name, wire, required, form in _fields(struct, without=without)
    ]
    return _table(("field", "form", "required", "outside the seal"), rows)


def _event(event: type[Event], common: frozenset[str]) -> str:
    about = {NO_SUBJECT: "No subject.", SUBJECT_OPTIONAL: "Subject optional."}.get(event.SUBJECT, "Subject required.")
    own = [
        name for name, _, required, _ in _fields(event) if name not in common or (required and name != "organisation")
    ]
    own = [name for name in own if name != "subject"]
    ways = _ways(event)
    rows = _field_table(event, frozenset(event.__struct_fields__) - set(own), ways) if own else ""
    example = json.loads((ROOT / "tests" / "golden" / "events" / f"{event.WIRE}.json").read_text("utf-8"))["event"]
    lines = ",\n".join(
        f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in example["data"].items()
    )
    return f"### {event.WIRE}\n\n{_paragraph(event.__doc__)} {about}\n\n{rows}```json\n{{\n{lines}\n}}\n```\n\n"


# --- errors ----------------------------------------------------------------------------------------------------------


def error_classes() -> list[type[LedgerError]]:
    """Every error of the ledger, in the order of its file."""
    found = [thing for thing in vars(errors).values() if inspect.isclass(thing) and issubclass(thing, LedgerError)]
    return [error for error in found if error is not LedgerError]


def errors_() -> str:
    """Every error, exit status, reason of quarantine and code of a finding."""
    out = [
        WRITTEN,
        "# Errors, exit statuses, reasons and codes\n\n",
        "Every error is one sentence on standard error that says what happened and what to do. It has ids, never a personal value.\n\n",
        "## Exit statuses\n\n",
        _table(
            ("status", "meaning"),
            [
                (0, "Done."),
                (1, "The answer is no: a verification failed, an erasure was refused, `--fail-on` found something."),
                (2, "Wrong use, or an input that cannot be read."),
                (3, "A needed service, disk or lock cannot be had. Nothing was half done; run it again."),
                (70, "A mistake of ours. Please report it."),
                (130, "Interrupted. What was committed stays."),
            ],
        ),
        "## Errors\n\n",
        _table(
            ("error", "exit status", "meaning"),
            [(f"`{error.__name__}`", status_of(error()), _paragraph(error.__doc__)) for error in error_classes()],
        ),
        "## Reasons of quarantine\n\n",
        "An input that cannot be recorded waits in the quarantine with one of these reasons. `pdl quarantine list` shows them.\n\n",
        _table(("reason", "meaning"), [(f"`{reason}`", REASONS_SAID[reason]) for reason in REASONS]),
        "## Codes of findings\n\n",
        "The closed list of `code` in `pdl judge` and in the register `findings`:\n\n",
        *[f"- `{code}`\n" for code in CODES],
    ]
    return "".join(out)


# --- settings --------------------------------------------------------------------------------------------------------


def settings() -> str:
    """Every setting: type, default, variable, meaning."""
    hints = get_type_hints(Settings, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(Settings):
        meta = next(part for part in get_args(hints[field.name]) if isinstance(part, Meta))
        default = msgspec.json.encode(field.default).decode()
        rows.append(
            (
                f"`{field.name}`",
                _range(hints[field.name], meta),
                f"`{default}`",
                f"`{PREFIX}{field.name.upper()}`",
                meta.description,
            )
        )
    others = [(f"`{name}`", _ELSEWHERE[name]) for name in sorted(NOT_SETTINGS)]
    return (
        "".join(
            [
                WRITTEN,
                "# Settings\n\n",
                "`pdl.toml` in the data directory, made at first use. A variable of the environment outranks the file. An unknown name, a wrong\n",
                "type or a value out of range is refused, with the place where it stands.\n\n",
                _table(("setting", "form", "default", "variable", "meaning"), rows),
                "Variables that are no settings:\n\n",
                _table(("variable", "meaning"), others),
            ]
        ).rstrip()
        + "\n"
    )


_ELSEWHERE: Final = {
    "PDL_DATA": "The data directory, where `--data` is absent. Otherwise `./pdl-data`.",
    "PDL_DEBUG": "Any value: a mistake of ours shows where it arose.",
    "PDL_TEST_KAFKA": "`host:port` of a broker for the tests, instead of one that they start.",
    "PDL_TEST_POSTGRES": "libpq URL of a server for the tests, instead of one that they start.",
}


def _range(hint: Any, meta: Meta) -> str:
    form = _form(get_args(hint)[0])
    if meta.ge is not None or meta.le is not None:
        return f"{form}, {meta.ge:,} to {meta.le:,}"
    return form


# --- commands --------------------------------------------------------------------------------------------------------


def _root() -> click.Context:
    settings = {**cli.context_settings, "max_content_width": 100}
    return click.Context(cli, info_name="pdl", terminal_width=100, **settings)


def commands() -> Iterator[tuple[list[str], click.Command, click.Context]]:
    """Every command with its path of names."""
    root = _root()
    for names in SECTIONS.values():
        for name in names:
            found = cli.get_command(root, name)
            assert found is not None, f"pdl {name} cannot be loaded"
            yield from _below(found, name, root)


def _below(
    command: click.Command, name: str, parent: click.Context
) -> Iterator[tuple[list[str], click.Command, click.Context]]:
    context = click.Context(command, parent=parent, info_name=name, terminal_width=100, max_content_width=100)
    yield context.command_path.split(), command, context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from _below(found, below, context)


def cli_() -> str:
    """The help of every command."""
    root = _root()
    out = [WRITTEN, "# Commands\n\n", _help("pdl", cli, root)]
    out += [_help(" ".join(path), command, context) for path, command, context in commands()]
    return "".join(out).rstrip() + "\n"


def _help(name: str, command: click.Command, context: click.Context) -> str:
    command._help_option = None  # click keeps the option of whoever asked first, under that one's names
    return f"## {name}\n\n```text\n{command.get_help(context).rstrip()}\n```\n\n"


# --- registers -------------------------------------------------------------------------------------------------------


def registers() -> str:
    """Every register: what it shows, its columns."""
    out = [
        WRITTEN,
        "# Registers\n\n",
        "`pdl register NAME` prints the rows of one. `--as-of` shows what was true at a moment, `--known-at` what was recorded by then.\n",
        "No register holds a value of personal data: people are pseudonyms.\n\n",
    ]
    for register in ALL:
        columns = ", ".join(f"`{name}`" for name in register.columns)
        out.append(f"## {register.name}\n\n{register.help}\n\nColumns: {columns}.\n\n")
    return "".join(out).rstrip() + "\n"


# --- kinds of promise ------------------------------------------------------------------------------------------------


def kinds() -> list[type[PromiseBase]]:
    """Every kind of promise, in the order of its package."""
    return list(get_args(promises.Promise))


def promises_() -> str:
    """Every kind of promise: what it says, its fields."""
    base = frozenset(PromiseBase.__struct_fields__)
    out = [
        WRITTEN,
        "# Kinds of promise\n\n",
        "A policy pack says what it promises in `[[promise]]` tables. Each has a `kind` and the fields of that kind.\n",
        "[How to write a policy pack](../how-to/write-a-policy-pack.md) uses them.\n\n",
        "## Fields of every kind\n\n",
        f"{_prose(PromiseBase.__doc__)}\n\n",
        _promise_table(PromiseBase, frozenset()),
        "## When\n\n",
        f"{_prose(When.__doc__)}\n\n",
        _promise_table(When, frozenset()),
    ]
    used: dict[str, type[Struct]] = {}
    for kind in kinds():
        out += [f"## {kind.__struct_config__.tag}\n\n", f"{_prose(kind.__doc__)}\n\n", _promise_table(kind, base)]
        used |= {struct.__name__: struct for struct in _structs_in(kind)}
    out.append("## Tables inside a promise\n\n")
    for name in sorted(used):
        if used[name] is not When:
            out += [f"### {name}\n\n", f"{_prose(used[name].__doc__)}\n\n", _promise_table(used[name], frozenset())]
    return "".join(out).rstrip() + "\n"


def _promise_table(struct: type[Struct], without: frozenset[str]) -> str:
    rows = []
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        if field.name in without:
            continue
        rows.append((f"`{field.encode_name}`", _promise_form(hints[field.name]), "yes" if field.required else "no"))
    return _table(("field", "form", "required"), rows) if rows else ""


def _promise_form(hint: Any) -> str:
    found = _form(hint)
    for struct in _structs_of(hint):
        anchor = "when" if struct is When else struct.__name__.lower()
        found = re.sub(rf"\b{struct.__name__.lower()}\b", f"[{struct.__name__}](#{anchor})", found, count=1)
    return found


def _structs_in(struct: type[Struct]) -> Iterator[type[Struct]]:
    for hint in get_type_hints(struct, include_extras=True).values():
        for inner in _structs_of(hint):
            yield inner
            yield from _structs_in(inner)


def _structs_of(hint: Any) -> Iterator[type[Struct]]:
    if inspect.isclass(hint) and issubclass(hint, Struct):
        yield hint
    for part in get_args(hint):
        yield from _structs_of(part)


PAGES: Final[dict[str, Callable[[], str]]] = {
    "events.md": events,
    "errors.md": errors_,
    "settings.md": settings,
    "cli.md": cli_,
    "registers.md": registers,
    "promises.md": promises_,
}
"""Every generated page and what writes it."""
