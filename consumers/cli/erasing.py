"""`pdl erase`, `pdl hold` and `pdl retention`: ending what is kept, and saying what must be."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
import msgspec

from consumers.cli import DONE, NO
from consumers.cli.options import MOMENT, data_option, format_option, from_input, opened
from consumers.cli.people import known_organisation, named, resolve
from consumers.cli.progress import bar, steps
from consumers.cli.render import one, rows, table
from consumers.cli.telling import last_day
from consumers.cli.telling import retention as retention_told
from consumers.cli.telling import swept as swept_told
from ledger.domain.calendar import local
from ledger.domain.errors import Unreadable

if TYPE_CHECKING:
    from consumers.wiring import Wired
    from ledger.erasure import Outcome
    from ledger.sweep import Due, Swept

OPERATOR = "pdl:operator"
"""The source of facts that are entered at the command line."""


@click.command()
@click.argument("scheme", metavar="SCHEME")
@click.argument("value", metavar="VALUE")
@click.option("--organisation", required=True, metavar="ORG", help="Whose data of the person.")
@click.option("--dataset", metavar="DATASET", help="Only this dataset (`forms`, or `activity/forms`); else everything.")
@click.option(
    "--client", metavar="CLIENT", help="Only what is kept on behalf of this client; '' for what is kept for none."
)
@click.option(
    "--include",
    multiple=True,
    metavar="PERSON",
    help="Also this pseudonym, which only shares a weak identifier (a rehearsal lists such candidates).",
)
@click.option(
    "--reason",
    required=True,
    metavar="REASON",
    help="retention, request, withdrawal, instruction, unsolicited; or a text, which is sealed.",
)
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Close the epoch at once, so that the erasure is irreversible when this ends.",
)
@click.option("--rehearse", is_flag=True, help="Say what would happen; touch nothing.")
@data_option
@format_option
def erase(
    scheme: str,
    value: str,
    organisation: str,
    dataset: str | None,
    client: str | None,
    include: tuple[str, ...],
    reason: str,
    at_once: bool,
    rehearse: bool,
    form: str,
) -> int:
    """Erase a person, or one dataset of a person, by destroying keys.

    What is under a hold, a statutory minimum, a restriction of Art. 18(1)(b) or (c) or an open request stays, and
    the answer says which statute. Destroying the ledger's copy does not delete what systems hold: an order for each
    of them is written down before (`pdl orders publish`), and the dataset stays overdue until they report it.
    Where the settings ask for two signatures or a cooling-off, the case waits (`pdl case show`).
    Exit status 1 when the erasure is refused. VALUE `-` reads it from standard input.

    \b
    Example:
      pdl erase email ada@example.org --organisation ORG --reason request --rehearse
      pdl erase email ada@example.org --organisation ORG --reason request
    """
    with opened(write=not rehearse) as wired:
        wired.registers.catch_up()
        _known_dataset(wired, organisation, dataset)
        people, fences = resolve(wired, scheme, from_input(value), organisation)
        who = wired.registers.resolved([*people.values(), *include])
        asked = _Asked(organisation, sorted(who.people), dataset, _client(wired, organisation, client))
        answer = _rehearsed(wired, asked, sorted(who.candidates)) if rehearse else _erased(wired, asked, reason)
        if not rehearse:
            _look_after(wired)
        if at_once and not rehearse:
            wired.note_log()  # Before: the mirror gets the keys as they are when the epoch closes.
            wired.epochs.close()
    if form == "table":
        _draw(answer, known=bool(who.people), already=bool(fences), rehearsed=rehearse)
    else:
        one(answer, form)
    return NO if answer["state"] == "refused" else DONE


def _known_dataset(wired: Wired, organisation: str, dataset: str | None) -> None:
    known_organisation(wired, organisation)
    places = sorted(
        f"{activity.id}/{name}"
        for activity in wired.packs[organisation].activities.values()
        for name in activity.datasets
    )
    names = {*places, *(place.rpartition("/")[2] for place in places), "identity", "unlisted"}
    if dataset is not None and dataset not in names and dataset.rpartition("/")[2] != "unlisted":
        raise Unreadable(f"{organisation} has no such dataset; it has {', '.join(places)}.")


def _look_after(wired: Wired) -> None:
    """What follows every erasure: the registers, and ciphertext that may go."""
    from consumers.aftercare import remove_ciphertext  # noqa: PLC0415 -- with the ledger, not before

    wired.registers.catch_up()
    remove_ciphertext(wired)
    wired.registers.catch_up()


class _Asked(NamedTuple):
    """What is asked to be erased: every pseudonym of one person, one dataset or all, of one client or all."""

    organisation: str
    people: list[str]
    dataset: str | None
    client: str | None


def _client(wired: Wired, organisation: str, client: str | None) -> str | None:
    """A client as keys are scoped: no statement lists clients, so that it is a token."""
    from ledger.sealing import TOKEN_MARK  # noqa: PLC0415 -- with the ledger, not before

    return client if not client else f"{TOKEN_MARK}{wired.keys.token(organisation, client)}"


def _erased(wired: Wired, asked: _Asked, reason: str) -> dict[str, Any]:
    """Erase everyone who is this person, and say what became of each dataset."""
    systems, recipients = wired.registers.systems_of(asked.people, wired.clock()), _recipients(wired, asked)
    outcomes = [
        wired.erasures.erase(
            asked.organisation,
            person,
            wired.standings(person),
            reason=reason,
            dataset=asked.dataset,
            client=asked.client,
        )
        for person in asked.people
    ]
    return _answer(wired, asked, outcomes, systems, recipients)


def _rehearsed(wired: Wired, asked: _Asked, candidates: list[str]) -> dict[str, Any]:
    """Say what would happen: keys, systems, recipients, linked people and those who may be, holds, what stays behind."""
    from ledger.evidence.certificate import RESIDUES  # noqa: PLC0415 -- with the ledger, not before

    outcomes = [
        wired.erasures.rehearse(person, wired.standings(person), asked.dataset, asked.client) for person in asked.people
    ]
    systems, recipients = wired.registers.systems_of(asked.people, wired.clock()), _recipients(wired, asked)
    keys = [
        {"key": key, "person": scope.person, "client": scope.client or None, "dataset": scope.dataset}
        for outcome in outcomes
        for scope, key in outcome.scopes
    ]
    answer = _answer(wired, asked, outcomes, systems, recipients)
    return answer | {
        "keys": list(named(wired, keys, asked.organisation)),
        "linked": asked.people,
        "candidates": candidates,
        "holds": [row for row in answer["datasets"] if row["outcome"] == "held"],
        "stays": list(RESIDUES),
    }


def _recipients(wired: Wired, asked: _Asked) -> list[str]:
    return [row["recipient"] for row in wired.registers.recipients_of(asked.people)]


def _answer(
    wired: Wired, asked: _Asked, outcomes: list[Outcome], systems: list[str], recipients: list[str]
) -> dict[str, Any]:
    names = wired.ledger.names()
    cases = [outcome.case for outcome in outcomes if outcome.case is not None]
    datasets = [_dataset(row._asdict()) for outcome in outcomes for row in outcome.datasets]
    return {
        "case": cases[0] if cases else None,
        "state": _state([outcome.state for outcome in outcomes]),
        "datasets": list(named(wired, datasets, asked.organisation)),
        "systems": [names.get((asked.organisation, system), system) for system in systems],
        "recipients": [names.get((asked.organisation, recipient), recipient) for recipient in recipients],
        "cases": cases,
        "approval": wired.settings.approval,
        "alone": wired.settings.alone,
    }


def _state(states: list[str]) -> str:
    """One word for several people who are one: the worst that needs attention."""
    telling = [state for state in states if state != "nothing-held"]
    if not telling:
        return "nothing-held"
    if len(set(telling)) == 1:
        return telling[0]
    return next((state for state in ("waiting", "pending") if state in telling), "partly")


def _dataset(row: dict[str, Any]) -> dict[str, Any]:
    activity, _, dataset = row["dataset"].rpartition("/")
    return {
        "activity": activity or None,
        "dataset": dataset,
        "client": row["client"] or None,
        "outcome": row["outcome"],
        "statute": row["statute"],
        "until": row["until"],
    }


def _draw(answer: dict[str, Any], *, known: bool, already: bool, rehearsed: bool) -> None:
    nobody = "" if known else ": nobody is known by that identifier. Check its scheme and its value"
    words = {
        "erased": "Would be erased"
        if rehearsed
        else "Erased: the keys are destroyed, nothing opens these values any more",
        "partly": "In part: what is held stays",
        "refused": "Refused: everything asked for is held",
        "nothing-held": "Nothing is held" + (": erased before" if already else nobody),
        "waiting": "Ordered, and nothing is destroyed yet: somebody has to agree, or time to pass. See `pdl case show`",
        "pending": "Ordered, and use has stopped; not final while somebody reads the key database. Run any writing command to finish",
    }
    case = f" Case {answer['case']}." if answer["case"] else ""
    click.echo(f"{words[answer['state']]}.{case}")
    if not answer["datasets"]:
        return
    click.echo()
    outcome = "would be" if answer["state"] == "waiting" else "outcome"
    table(
        [
            {outcome if key == "outcome" else key: value for key, value in row.items()}
            | {"until": last_day(row["until"])}
            for row in answer["datasets"]
        ]
    )
    if rehearsed:
        _draw_rehearsal(answer)
    if answer["state"] == "refused":
        return
    if answer["systems"]:
        click.echo(
            f"\nThese systems still hold a copy, and must report that they deleted it: {', '.join(answer['systems'])}."
        )
    if answer["recipients"]:
        click.echo(f"These recipients must be told (GDPR Art. 19): {', '.join(answer['recipients'])}.")
    click.echo(
        f"\n{_APPROVAL[answer['approval']]}{' alone = true: the keys had no mirror.' if answer['alone'] else ''}"
    )


_APPROVAL: Final = {
    "none": "approval = none: nobody else had to agree.",
    "two-people": "approval = two-people: two approvers sign.",
    "cooling-off": "approval = cooling-off: nobody else agrees, after a wait.",
}


def _draw_rehearsal(answer: dict[str, Any]) -> None:
    click.echo(f"\n{len(answer['keys'])} keys would be destroyed, of {len(answer['linked'])} linked identities.")
    if answer["candidates"]:
        click.echo(
            "These share a weak identifier and are not included (--include PERSON does): "
            + ", ".join(answer["candidates"])
        )
    click.echo("What stays behind in any case:")
    for residue in answer["stays"]:
        click.echo(f"  - {residue}")


@click.group()
def hold() -> None:
    """Place or release a duty to keep data.

    \b
    Example:
      pdl hold place email ada@example.org --organisation ORG --statute awr-52 --reference audit-7
      pdl hold release email ada@example.org --organisation ORG --reference audit-7
    """


@hold.command("place")
@click.argument("scheme", required=False)
@click.argument("value", required=False)
@click.option("--organisation", required=True, metavar="ORG", help="Whose data.")
@click.option("--statute", required=True, metavar="STATUTE", help="Which law or claim asks to keep them.")
@click.option("--reference", required=True, metavar="TEXT", help="What the hold is known by; never a name.")
@click.option(
    "--dataset", "datasets", multiple=True, metavar="DATASET", help="Only these datasets; may be given several times."
)
@click.option("--activity", metavar="ACTIVITY", help="Only in this activity.")
@click.option("--until", type=MOMENT, metavar="DATE", help="Last day of the hold, if it is known.")
@data_option
@format_option
def place_hold(
    scheme: str | None,
    value: str | None,
    organisation: str,
    statute: str,
    reference: str,
    datasets: tuple[str, ...],
    activity: str | None,
    until: datetime | None,
    form: str,
) -> None:
    """Keep a person's data (or, without a person, everyone's in the datasets) from being erased.

    \b
    Example:
      pdl hold place customer-number 1001 --organisation ORG --statute awr-52 --reference audit-7 --dataset tax
    """
    last = until.date().isoformat() if until is not None else None
    more = {"activity": activity, "datasets": list(datasets) or None, "statute": statute, "until": last}
    with opened(write=True) as wired:
        fact = _reported(wired, "pdl.hold.placed.v1", organisation, scheme, value, reference=reference, **more)
    rows([{**fact, "reference": reference, "statute": statute, "datasets": list(datasets), "until": last}], form)


@hold.command("release")
@click.argument("scheme", required=False)
@click.argument("value", required=False)
@click.option("--organisation", required=True, metavar="ORG", help="Whose data.")
@click.option("--reference", required=True, metavar="TEXT", help="What the hold was placed under.")
@data_option
@format_option
def release_hold(scheme: str | None, value: str | None, organisation: str, reference: str, form: str) -> None:
    """End a hold; what is past its term must go by the end of the next working day.

    \b
    Example:
      pdl hold release customer-number 1001 --organisation ORG --reference audit-7
    """
    with opened(write=True) as wired:
        before = _in_force(wired, organisation)
        fact = _reported(wired, "pdl.hold.released.v1", organisation, scheme, value, reference=reference)
        ended = before - _in_force(wired, organisation)
    rows([{**fact, "reference": reference}], form)
    if not ended:
        click.echo("pdl: recorded, but it ended no hold; `pdl register holds` lists those in force.", err=True)


def _in_force(wired: Wired, organisation: str) -> int:
    wired.registers.catch_up()
    found = wired.registers.rows("holds", now=wired.clock(), organisation=organisation)
    return sum(row["state"] == "in force" for row in found)


def _reported(
    wired: Wired, wire: str, organisation: str, scheme: str | None, value: str | None, **data: Any
) -> dict[str, Any]:
    """Record a fact that an operator enters, as any other source would report it."""
    from ledger.service import Input  # noqa: PLC0415 -- with the ledger, not before

    known_organisation(wired, organisation)
    if (scheme is None) != (value is None):
        raise click.UsageError("a person is named by SCHEME and VALUE together")
    if scheme is not None:
        who = from_input(value or "")
        data["subject"] = {"scheme": scheme, "value": who}
        if not resolve(wired, scheme, who, organisation)[0]:
            click.echo("pdl: nobody was known by that identifier before.", err=True)
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": OPERATOR,
        "type": wire,
        "time": wired.clock(),
        "data": {"organisation": organisation, **{name: part for name, part in data.items() if part is not None}},
    }
    receipt = wired.ledger.record([Input(0, msgspec.json.encode(event))], f"operator:{event['id']}", 0)
    if receipt.problems:
        raise Unreadable(f"this cannot be recorded: {receipt.problems[0].detail}")
    wired.registers.catch_up()
    return {"event": event["id"], "type": wire, "organisation": organisation, "outcome": "recorded"}


@click.group()
def retention() -> None:
    """List what is due, or erase it.

    \b
    Example:
      pdl retention due
      pdl retention sweep
    """


@retention.command("due")
@click.option("--now", type=MOMENT, metavar="TIME", help="As if it were this time.  [default: the present]")
@click.option("--organisation", metavar="ORG", help="Only this organisation.")
@data_option
@format_option
def due_(now: datetime | None, organisation: str | None, form: str) -> None:
    """List what is past its term: by which sentence, what holds it, which systems still have it.

    \b
    Example:
      pdl retention due --now 2027-01-01
    """
    with opened(write=False) as wired:
        if organisation is not None:
            known_organisation(wired, organisation)
        with bar("registers follow") as shown:
            wired.registers.catch_up(steps(shown))
        moment = now or wired.clock()
        found = [
            row
            for row in wired.registers.rows("retention", now=moment, organisation=organisation)
            if row["due"] is not None and datetime.fromisoformat(row["due"]) <= moment
        ]
        found = list(named(wired, found))
    rows(map(retention_told, found) if form == "table" else found, form, nothing="Nothing is past its term.")


@retention.command()
@click.option(
    "--now",
    type=MOMENT,
    metavar="TIME",
    help="As if it were this time; what a later one erases before its term is said.  [default: the present]",
)
@click.option("--organisation", metavar="ORG", help="Only this organisation.")
@click.option("--confirm", is_flag=True, help="Go on against the brake, where nobody is known who could sign.")
@data_option
@format_option
def sweep(now: datetime | None, organisation: str | None, confirm: bool, form: str) -> int:
    """Erase what is past its term and not held, and record that this was done.

    That is: terms that are over, consent that was withdrawn, clients who asked for destruction. What a statement
    promises to anonymise is counted first, in cells of at least ten people. A dataset waits while a source of it
    was not heard since its term was over. Where a day's runs would reach too many people of an organisation (the setting
    sweep_share), that organisation waits for two signatures: exit status 1.

    Only the ledger's own copy goes: a dataset stays overdue until every system that holds it reports its deletion.

    \b
    Example:
      pdl retention sweep
    """
    with opened(write=True) as wired, bar("sweeping") as shown:
        if organisation is not None:
            known_organisation(wired, organisation)
        wired.registers.catch_up(steps(shown))
        due, organisations = wired.due(now or wired.clock(), organisation)
        halted, agreed, said = _braked(wired, due, confirm=confirm)
        shown.total(len(due))
        swept = wired.sweeps.run(due, organisations, wired, halted=halted, confirmed_by=agreed)
        _look_after(wired)
        present = wired.clock()
        found = list(named(wired, [_swept(row, present) for row in swept]))
    rows(
        map(swept_told, found) if form == "table" else found,
        form,
        nothing="Nothing is past its term; that was recorded.",
    )
    early = sum(row["before_term"] and row["case"] is not None for row in found)
    if early:
        said.append(
            f"{early} datasets were erased before their term was over by the present clock, because --now said so."
        )
    if form == "table" and found:
        overdue = sum(row["overdue"] for row in found)
        click.echo(f"\n{len(found)} past their term, {overdue} of them overdue.")
    for sentence in said:
        click.echo(f"pdl: {sentence}", err=True)
    return NO if halted else DONE


def _swept(row: Swept, present: datetime) -> dict[str, Any]:
    one_due = row.due
    return {
        "organisation": one_due.organisation,
        "person": one_due.person,
        **_dataset({**one_due.standing._asdict(), "outcome": row.outcome}),
        "due": local(one_due.due).isoformat(),
        "expired": local(one_due.expired).isoformat(),
        "overdue": one_due.overdue <= present,
        "before_term": one_due.expired > present,
        "ground": one_due.ground,
        "rule": one_due.rule,
        "case": row.case,
        "why": row.why,
    }


def _braked(wired: Wired, due: list[Due], *, confirm: bool) -> tuple[dict[str, str], dict[str, list[str]], list[str]]:
    """Which organisations wait, and why; who agreed that others go on; what the operator is told."""
    halted: dict[str, str] = {}
    agreed: dict[str, list[str]] = {}
    said: list[str] = []
    for organisation, halt in wired.sweeps.brake(due).items():
        reach = f"this sweep would erase data of {halt.people} of {halt.everyone} people of {organisation}"
        signed = wired.sweeps.agreed(halt)
        if signed:
            agreed[organisation] = signed
        elif wired.sweeps.must_sign():
            stopped = wired.sweeps.halt(halt)
            halted[organisation] = f"two signatures under {stopped}"
            said.append(f"{reach}. Two people must agree: `pdl case approve {stopped} --key FILE`; then run it again.")
        elif confirm:
            agreed[organisation] = ["--confirm: nobody who could sign is known"]
        else:
            halted[organisation] = "--confirm"
            said.append(
                f"{reach}. Check the clock and `pdl retention due`; if it is right, run it again with --confirm, "
                "or let two approvers sign (`pdl approver add`)."
            )
    return halted, agreed, said
