"""`pdl schema`: the contract as JSON Schema."""

from __future__ import annotations

import json

import click

from consumers.cli.options import format_option
from consumers.cli.render import rows
from ledger.domain.asyncapi import asyncapi
from ledger.domain.errors import Unreadable
from ledger.domain.events import BY_WIRE
from ledger.domain.schema import schema as schema_of


@click.command()
@click.argument("type_", required=False, metavar="[TYPE]")
@click.option("--asyncapi", "whole", is_flag=True, help="Print the whole contract as one AsyncAPI 3 document.")
@click.option("--topic", metavar="TOPIC", default="personal-data", show_default=True, help="The topic that it names.")
@format_option
def schema(type_: str | None, whole: bool, topic: str, form: str) -> None:
    """Print the JSON Schema of one event type, or list the types.

    The schema (Draft 2020-12) describes the whole CloudEvent. `pdl.` in front and `.v1` behind may be left out.

    \b
    Example:
      pdl schema
      pdl schema data.collected
      pdl schema --asyncapi --topic personal-data
    """
    if whole:
        if type_ is not None:
            raise click.UsageError("--asyncapi is about every type; leave TYPE out")
        click.echo(json.dumps(asyncapi(topic), indent=2, ensure_ascii=False))
        return
    if type_ is None:
        every = (
            {"type": wire, "subject": event.SUBJECT, "meaning": _first_line(event.__doc__)}
            for wire, event in BY_WIRE.items()
        )
        rows(every, form)
        return
    wire = next((name for name in (type_, f"pdl.{type_}", f"{type_}.v1", f"pdl.{type_}.v1") if name in BY_WIRE), None)
    if wire is None:
        raise Unreadable("the contract has no such event type; `pdl schema` lists them.")
    click.echo(json.dumps(schema_of(wire), indent=2, ensure_ascii=False))


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
