"""`pdl case`, `pdl approver` and `pdl orders`: who agrees to an erasure, and what happens after it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from consumers.cli import DONE, NO
from consumers.cli.options import data_option, format_option, opened
from consumers.cli.people import named
from consumers.cli.render import one, rows, table
from ledger.approvals import ROLES
from ledger.domain.errors import ApprovalRefused, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.wiring import Wired
    from ledger.decisions import ErasureCase
    from ledger.evidence.note import Signer

_KEY_FILE: Final = "pdl-approver-key/1"
_WORDS: Final = {"nl": "Nederlands", "en": "English"}
_SWEEP: Final = "sweep-"
"""What the ids of runs of the retention periods begin with, which the brake may stop."""
CASE = click.argument("case", metavar="CASE")


# --- approvers --------------------------------------------------------------------------------------------------------


@click.group()
def approver() -> None:
    """Say whose signature counts under an order to erase.

    NAME is an account id, never a person's name: it stands in the log. The key is Ed25519.

    \b
    Example:
      pdl approver add po-1 --role privacy-officer generate
      pdl approver list
    """


@approver.command("add")
@click.argument("name", metavar="NAME")
@click.argument("public", metavar="PUBLICKEY|generate")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="The data protection officer (dpo) objects, and never approves.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where `generate` puts the private key.  [default: NAME.key]",
)
@data_option
@format_option
def add_approver(name: str, public: str, role: str, out: Path | None, form: str) -> None:
    """Make an approver known, by the public key (base64 of 32 bytes), or with a new pair.

    The private key belongs to the approver alone: generate it on their own machine where you can.

    \b
    Example:
      pdl approver add po-1 --role privacy-officer generate --out po-1.key
      pdl approver add fg --role dpo 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 -- here alone

    from ledger.approvals import checked_name  # noqa: PLC0415 -- with the ledger, not before

    file, seed = None, b""
    if public == "generate":
        file = out or Path(f"{checked_name(name)}.key")
        if file.exists():
            raise Unreadable(f"{file} is there already; a private key is never written over.")
        private = Ed25519PrivateKey.generate()
        raw, seed = private.public_key().public_bytes_raw(), private.private_bytes_raw()
    else:
        raw = _public(public)
    with opened(write=True) as wired:
        wired.erasures.add_approver(name, role, raw)
        if file is not None:
            _write_key(file, name, seed)
    one(
        {
            "name": name,
            "role": role,
            "public_key": b64encode(raw).decode(),
            "private_key_file": None if file is None else str(file),
        },
        form,
    )


def _public(text: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except ValueError as error:
        raise Unreadable("the public key is base64 of 32 bytes, or the word generate.") from error
    if len(raw) != 32:  # noqa: PLR2004 -- Ed25519
        raise Unreadable("an Ed25519 public key has 32 bytes.")
    return raw


def _write_key(file: Path, name: str, seed: bytes) -> None:
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(f"{_KEY_FILE}\n{name}\n{b64encode(seed).decode()}\n", encoding="utf-8")


def _signer(file: Path) -> Signer:
    from ledger.evidence.note import Signer  # noqa: PLC0415 -- with the ledger, not before

    wrong = f"{file} is no private key of an approver, as `pdl approver add NAME generate` writes it."
    try:
        first, name, seed, *_ = (*file.read_text(encoding="utf-8").split("\n"), "", "", "")
        signer = Signer(name, b64decode(seed, validate=True))
    except (OSError, ValueError) as error:
        raise Unreadable(wrong) from error
    if first != _KEY_FILE:
        raise Unreadable(wrong)
    return signer


@approver.command("list")
@data_option
@format_option
def list_approvers(form: str) -> None:
    """List who may sign, and who no longer.

    \b
    Example:
      pdl approver list
    """
    with opened(write=False) as wired:
        found = [
            {
                "name": each.name,
                "role": each.role,
                "public_key": b64encode(bytes.fromhex(each.public)).decode(),
                "counts": not each.left,
            }
            for each in wired.erasures.decisions.approvers(wired.log)
        ]
    rows(found, form, nothing="Nobody signs here; `pdl approver add` makes somebody known.")


@approver.command("remove")
@click.argument("name", metavar="NAME")
@data_option
@format_option
def remove_approver(name: str, form: str) -> None:
    """Let an approver's signatures count no longer, also under open orders.

    \b
    Example:
      pdl approver remove po-1
    """
    with opened(write=True) as wired:
        gone = wired.erasures.remove_approver(name)
    one({"name": gone.name, "role": gone.role, "counts": False}, form)


# --- cases ------------------------------------------------------------------------------------------------------------


@click.group()
def case() -> None:
    """See, sign, halt and follow cases of erasure.

    \b
    Example:
      pdl case list
      pdl case show case-0123456789abcdef
      pdl case approve case-0123456789abcdef --key po-1.key
    """


@case.command("list")
@click.option("--organisation", metavar="ORG", help="Only this organisation.")
@data_option
@format_option
def list_cases(organisation: str | None, form: str) -> None:
    """List every case: what it waits for, who signed, who has not answered.

    \b
    Example:
      pdl case list --organisation ORG
    """
    with opened(write=False) as wired:
        wired.registers.catch_up()
        found = [
            _row(wired, wired.erasures.decisions.case(row["case"]), row["state"])
            for row in wired.registers.rows("erasures", now=wired.clock(), organisation=organisation)
        ]
    rows(found, form, nothing="No erasure was ever asked for.")


def _row(wired: Wired, erasure: ErasureCase, state: str) -> dict[str, Any]:
    waits = wired.erasures.waits_for(erasure)
    tasks = wired.registers.tasks(erasure.id, wired.clock())
    return {
        "case": erasure.id,
        "organisation": erasure.organisation,
        "state": "waiting" if waits else state,
        "waits_for": waits,
        "approval": erasure.approval,
        "signed": [approval[0] for approval in erasure.approvals],
        "tasks": len(tasks),
        "unanswered": sum(row["kind"] != "confirmation" and row["answered"] is None for row in tasks),
        "silent": sum(row["state"] == "silent" for row in tasks),
        "letter": _letter_state(erasure, tasks),
        "certificates": len(erasure.certificates),
    }


def _letter_state(erasure: ErasureCase, tasks: Iterable[dict[str, Any]]) -> str | None:
    if not erasure.sealed:
        return None
    if any(row["kind"] == "confirmation" and row["sent"] for row in tasks):
        return "sent"
    return "destroyed unsent" if erasure.forgotten else "to be sent"


@case.command("show")
@CASE
@data_option
@format_option
def show_case(case: str, form: str) -> None:
    """Show one case: the order and its hash, signatures, tasks and answers.

    \b
    Example:
      pdl case show case-0123456789abcdef
    """
    with opened(write=False) as wired:
        wired.registers.catch_up()
        erasure = wired.erasures.decisions.case(case)
        shown = _shown(wired, erasure)
    if form != "table":
        one(shown, form)
        return
    told = (
        "case",
        "organisation",
        "state",
        "waits_for",
        "reason",
        "approval",
        "ordered",
        "not_before",
        "order",
        "use_stopped",
    )
    one({name: shown[name] for name in told if shown[name]}, "table")
    for title, name in (("Goes", "goes"), ("Stays", "stays"), ("Signed", "approvals"), ("Tasks", "tasks")):
        if shown[name]:
            click.echo()
            table(shown[name], title=title)
    if shown["objection"]:
        click.echo(f"\nHalted by {shown['objection']['approver']} ({shown['objection']['role']}).")


def _shown(wired: Wired, erasure: ErasureCase) -> dict[str, Any]:
    (state,) = (
        row["state"] for row in wired.registers.rows("erasures", now=wired.clock()) if row["case"] == erasure.id
    )
    waits = wired.erasures.waits_for(erasure)
    goes = [{"dataset": dataset, "client": client or None, "key": key} for client, dataset, key in erasure.scopes]
    stays = [
        {"dataset": dataset, "client": client or None, "outcome": outcome, "statute": statute or None}
        for dataset, client, outcome, statute in erasure.kept
    ]
    tasks = [
        {
            name: row[name]
            for name in ("task", "kind", "target", "activity", "client", "sent", "due", "answered", "state")
        }
        for row in wired.registers.tasks(erasure.id, wired.clock())
    ]
    return {
        "case": erasure.id,
        "organisation": erasure.organisation,
        "person": erasure.person,
        "state": "waiting" if waits else state,
        "waits_for": waits,
        "reason": "(sealed)" if erasure.reason.startswith("~") else erasure.reason,
        "approval": erasure.approval,
        "ordered": erasure.ordered,
        "not_before": erasure.not_before or None,
        "order": None if erasure.refused else wired.erasures.order_of(erasure.id),
        "approvals": [
            {"approver": name, "role": role, "expires": expires, "at": at}
            for name, role, expires, _, at in erasure.approvals
        ],
        "objection": None
        if erasure.objection is None
        else dict(zip(("approver", "role", "note", "at"), erasure.objection, strict=True)),
        "goes": list(named(wired, goes, erasure.organisation)),
        "stays": list(named(wired, stays, erasure.organisation)),
        "tasks": list(named(wired, tasks, erasure.organisation)),
        "use_stopped": erasure.use_stopped or None,
        "case_key_destroyed": erasure.forgotten or None,
        "schemes": erasure.schemes,
        "unlinked": erasure.unlinked,
    }


def _note(wired: Wired, case: str, word: str, key: Path | None, note: Path | None, valid: str | None) -> str:
    """The signed note: made here with a private key, or as it was made elsewhere."""
    from ledger.approvals import Approval, expires_at, sign  # noqa: PLC0415 -- with the ledger, not before

    if (key is None) == (note is None):
        raise click.UsageError("give --key FILE to sign here, or --note FILE with what was signed elsewhere")
    if note is not None:
        try:
            return note.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Unreadable(f"{note} cannot be read.") from error
    assert key is not None  # noqa: S101 -- one of the two is given
    signer = _signer(key)
    known = {each.name: each for each in wired.erasures.decisions.approvers(wired.log)}
    if signer.key.name not in known:
        raise ApprovalRefused("the key is of nobody who signs here; `pdl approver list` has them all")
    now = wired.clock()
    order = wired.sweeps.order_of(case) if case.startswith(_SWEEP) else wired.erasures.order_of(case)
    role = known[signer.key.name].role
    return sign(signer, Approval(wired.log.ledger_id, case, order, word, role, now, expires_at(now, valid)))


def _sign_sweep(
    sweep: str, word: Literal["approve", "object"], key: Path | None, note: Path | None, valid: str | None, form: str
) -> None:
    with opened(write=True) as wired:
        signed = wired.sweeps.sign(sweep, _note(wired, sweep, word, key, note, valid), word)
    one({"case": sweep, "state": "signed" if word == "approve" else "halted", "signed": signed}, form)


def _signing(command: Any) -> Any:
    """The options of a signature."""
    for option in (
        click.option("--valid", metavar="DURATION", help="How long the signature counts: P7D, PT12H.  [default: P7D]"),
        click.option(
            "--note", type=click.Path(path_type=Path), metavar="FILE", help="A note that was signed elsewhere."
        ),
        click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The approver's private key."),
        CASE,
    ):
        command = option(command)
    return command


@case.command("sign")
@click.option("--object", "objecting", is_flag=True, help="An objection instead of an approval.")
@_signing
@data_option
def sign_case(case: str, key: Path | None, note: Path | None, valid: str | None, objecting: bool) -> None:
    """Print a signed note over the order, and record nothing: for somebody else to hand in with --note.

    \b
    Example:
      pdl case sign case-0123456789abcdef --key po-1.key > approval.note
    """
    with opened(write=False) as wired:
        click.echo(_note(wired, case, "object" if objecting else "approve", key, note, valid), nl=False)


@case.command("approve")
@_signing
@data_option
@format_option
def approve_case(case: str, key: Path | None, note: Path | None, valid: str | None, form: str) -> int:
    """Sign an order; with the second signature the keys are destroyed.

    The signature is over the hash of the order as it stands in the log, and expires. Exit status 1 where it does not count.

    \b
    Example:
      pdl case approve case-0123456789abcdef --key po-1.key
    """
    from consumers.aftercare import follow_up, remove_ciphertext  # noqa: PLC0415 -- with the ledger, not before

    if case.startswith(_SWEEP):
        _sign_sweep(case, "approve", key, note, valid, form)
        return DONE
    with opened(write=True) as wired:
        wired.registers.catch_up()
        wired.erasures.approve(case, _note(wired, case, "approve", key, note, valid))
        state = wired.erasures.carry_on(case)
        wired.registers.catch_up()
        if state == "done":
            remove_ciphertext(wired)
            follow_up(wired)
        erasure = wired.erasures.decisions.case(case)
        waits = wired.erasures.waits_for(erasure)
    told = {"done": "erased", "waiting": "waiting"}.get(state, state)
    one({"case": case, "state": told, "waits_for": waits, "signed": [each[0] for each in erasure.approvals]}, form)
    return NO if state == "refused" else DONE


@case.command("object")
@_signing
@data_option
@format_option
def object_case(case: str, key: Path | None, note: Path | None, valid: str | None, form: str) -> None:
    """Halt a case for good, with a signature; the data protection officer may. Nothing is destroyed.

    \b
    Example:
      pdl case object case-0123456789abcdef --key fg.key
    """
    if case.startswith(_SWEEP):
        _sign_sweep(case, "object", key, note, valid, form)
        return
    with opened(write=True) as wired:
        erasure = wired.erasures.object(case, _note(wired, case, "object", key, note, valid))
        wired.registers.catch_up()
    assert erasure.objection is not None  # noqa: S101 -- it was just made
    one({"case": case, "state": "halted", "objected_by": erasure.objection[0], "role": erasure.objection[1]}, form)


@case.command("run")
@data_option
@format_option
def run_cases(form: str) -> None:
    """Go on with every case that may: cooling-offs that ended, answers that came, terms that passed.

    Any command that writes does the first of these; a line in cron does all of it.

    \b
    Example:
      pdl case run
    """
    from consumers.aftercare import follow_up, remove_ciphertext  # noqa: PLC0415 -- with the ledger, not before

    with opened(write=True) as wired:
        wired.registers.catch_up()
        removed = remove_ciphertext(wired)
        followed = follow_up(wired)
        wired.registers.catch_up()
        found = {
            "followed": len(followed),
            "case_keys_destroyed": sum(bool(erasure.forgotten) for erasure in followed),
            "silent": sum(len(erasure.escalated) for erasure in followed),
            "records_without_ciphertext": removed,
        }
    one(found, form)


@case.command("letter")
@CASE
@click.option("--language", type=click.Choice(("nl", "en")), help="Only this language.  [default: both]")
@click.option(
    "--sent", is_flag=True, help="Say that the letter was sent; it may then be destroyed with the case's key."
)
@data_option
@format_option
def letter(case: str, language: str | None, sent: bool, form: str) -> int:
    """Print the letter that confirms an erasure to the person, in plain Dutch and English.

    It was written before the keys were destroyed, and is sealed under the case's own key. That somebody opened it
    is in the log before it is printed. Exit status 1 once the key is gone.

    \b
    Example:
      pdl case letter case-0123456789abcdef --language nl
    """
    from ledger.keys import Erased  # noqa: PLC0415 -- with the ledger, not before

    with opened(write=True) as wired:
        erasure = wired.erasures.decisions.case(case)
        bodies = wired.erasures.tasks(erasure)
        if isinstance(bodies, Erased) or not bodies:
            click.echo("pdl: the letter is gone with the case's own key, or none was written.", err=True)
            return NO
        (task,) = (task[0] for task in erasure.tasks if task[1] == "confirmation")
        wired.accesses.say(erasure.organisation, [erasure.person], "letter")
        texts = bodies[task]["letter"]
        if sent:
            erasure.hand_over([task], wired.clock().isoformat())
            wired.erasures.decisions.save(erasure)
    shown = {name: text for name, text in texts.items() if language in (None, name)}
    if form != "table":
        one({"case": case, **shown}, form)
    else:
        click.echo("\n\n".join(shown.values()), nl=False)
    return DONE


# --- orders -----------------------------------------------------------------------------------------------------------


@click.group()
def orders() -> None:
    """Publish what erasures ask of systems and recipients, and see who answered.

    \b
    Example:
      pdl orders list
      pdl orders publish --bootstrap-servers 127.0.0.1:9092
    """


@orders.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what is answered.")
@click.option("--organisation", metavar="ORG", help="Only this organisation.")
@data_option
@format_option
def list_orders(everything: bool, organisation: str | None, form: str) -> None:
    """List orders and messages that nobody answered yet.

    \b
    Example:
      pdl orders list
    """
    with opened(write=False) as wired:
        wired.registers.catch_up()
        found = [
            row
            for row in wired.registers.rows("notifications", now=wired.clock(), organisation=organisation)
            if row["kind"] != "confirmation" and (everything or row["answered"] is None)
        ]
        found = list(named(wired, found))
    if form == "table":
        told = ("task", "organisation", "kind", "target", "activity", "sent", "due", "state")
        found = [{name: row[name] for name in told} for row in found]
    rows(found, form, nothing="Every order and message is answered.")


@orders.command("publish")
@click.option("--bootstrap-servers", required=True, metavar="HOST:PORT[,HOST:PORT...]", help="Where the brokers are.")
@data_option
@format_option
def publish_orders(bootstrap_servers: str, form: str) -> None:
    """Publish what is not out yet on the topic of the setting orders_topic, each under an id of its own.

    A message that comes twice has the same id and bytes. The topic names people: give it a short retention and few readers.

    \b
    Example:
      pdl orders publish --bootstrap-servers 127.0.0.1:9092
    """
    from consumers.aftercare import follow_up, publish  # noqa: PLC0415 -- with the ledger, not before
    from consumers.kafka.publish import publisher  # noqa: PLC0415 -- the Kafka client costs 100 ms

    with opened(write=True) as wired:
        servers = [part.strip() for part in bootstrap_servers.split(",") if part.strip()]
        with publisher(servers, wired.settings) as through:
            count = publish(wired, through)
        wired.registers.catch_up()
        follow_up(wired)
        topic = wired.settings.orders_topic
    one({"published": count, "topic": topic}, form)
