"""The command `pdl`: parse, call one verb of the ledger, render; every module behind it is loaded only when its command runs.

Exit status: 0 done; 1 the answer is no; 2 wrong use or unreadable input; 3 a needed service, disk or lock cannot be had.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from ledger.domain.errors import (
    ApprovalRefused,
    Busy,
    ErasureRefused,
    LedgerError,
    ProofRefused,
    StoreUnavailable,
    Tampered,
)

DONE: Final = 0
NO: Final = 1
WRONG_USE: Final = 2
UNAVAILABLE: Final = 3
OUR_MISTAKE: Final = 70
INTERRUPTED: Final = 130

SECTIONS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Try": {
        "demo": ("consumers.demo.tour:demo", "Play a year of five organisations and show what the ledger makes of it."),
        "judge": ("consumers.cli.judge:judge", "Judge a file of events against published statements, in memory."),
        "policy": (
            "consumers.cli.policy:policy",
            "Show, check, begin, compare, try and adopt policy packs: statements as data.",
        ),
        "schema": ("consumers.cli.schema:schema", "Print the JSON Schema of one event type, or list the types."),
        "bench": ("consumers.cli.bench:bench", "Measure the write path and the registers against raw limits."),
    },
    "Record": {
        "ingest": ("consumers.cli.feed:ingest", "Record events from files, one JSON event a line."),
        "consume": ("consumers.cli.feed:consume", "Record events from Kafka topics, each once."),
        "ingest-key": (
            "consumers.cli.ingest_key:ingest_key",
            "Make, publish and destroy the keys that producers seal to.",
        ),
        "source": ("consumers.cli.source:source", "Say which sources may speak, and read how each of them does."),
        "quarantine": (
            "consumers.cli.quarantine:quarantine",
            "See, retry or give up inputs that could not be recorded.",
        ),
    },
    "Ask": {
        "status": ("consumers.cli.ask:status", "Account for every input, and say how far the registers are."),
        "register": ("consumers.cli.ask:register", "Print a register: findings, retention, disclosures, consents ..."),
        "subject": ("consumers.cli.ask:subject", "Show what is held about one person, and the trail of it."),
        "rebuild": ("consumers.cli.ask:rebuild", "Build registers anew from the log: all of them, or one."),
    },
    "Erase": {
        "erase": ("consumers.cli.erasing:erase", "Erase a person, or one dataset of a person, by destroying keys."),
        "case": ("consumers.cli.cases:case", "See, sign, halt and follow cases of erasure."),
        "approver": ("consumers.cli.cases:approver", "Say whose signature counts under an order to erase."),
        "orders": (
            "consumers.cli.cases:orders",
            "Publish what erasures ask of systems and recipients, and see who answered.",
        ),
        "hold": ("consumers.cli.erasing:hold", "Place or release a duty to keep data."),
        "retention": ("consumers.cli.erasing:retention", "List what is due, or erase it."),
    },
    "Keep": {
        "keys": ("consumers.cli.keys:keys", "Say how the keys stand; close an epoch; fill the mirror."),
        "restore": (
            "consumers.cli.restore:restore",
            "Rehearse a restore: say whether these files open together, and what stays erased.",
        ),
    },
    "Prove": {
        "verify": ("consumers.cli.proving:verify", "Re-read every record and compare it with the evidence tree."),
        "checkpoint": ("consumers.cli.proving:checkpoint", "Sign the head of the log (a C2SP signed note)."),
        "certificate": ("consumers.cli.certifying:certificate", "Certify an erasure, and verify certificates offline."),
        "key": ("consumers.cli.proving:key", "Print the verifier key of this ledger's checkpoints."),
        "prove": ("consumers.cli.proving:prove", "Prove that an event is in the log (a C2SP tlog-proof)."),
    },
}
"""Every command by what a person wants: where it lives, and its help in one line."""


class _Lazy(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's own signature
        return [name for commands in SECTIONS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- as above
        for commands in SECTIONS.values():
            if cmd_name in commands:
                module, _, attribute = commands[cmd_name][0].partition(":")
                command = getattr(importlib.import_module(module), attribute)
                assert isinstance(command, click.Command)  # noqa: S101 -- our own table is right
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=self.list_commands(ctx), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- as above
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, brief) for name, (_, brief) in commands.items()], col_spacing=3)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 -- costs 20 ms, seldom asked

        try:
            click.echo(f"pdl {version('personal-data-ledger')}")
        except PackageNotFoundError:
            click.echo("pdl (from its source)")
        ctx.exit()


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Begin with `pdl demo`; then `pdl policy show`, `pdl judge my.jsonl`, `pdl ingest my.jsonl`, `pdl status`.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Data directory of the ledger. Also PDL_DATA; else ./pdl-data.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def cli(ctx: click.Context, data: Path | None) -> None:
    """Record what happens to personal data, judge it against the published privacy statement, and erase.

    Every command has its own help with an example: `pdl erase --help`.
    """
    ctx.obj = data


def main() -> None:
    """Run `pdl` on the arguments of this process; what it prints is UTF-8, whatever the locale says."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status; whatever goes wrong becomes one line on standard error."""
    try:
        status = _invoke(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return status


def _invoke(arguments: Sequence[str]) -> int:
    try:
        status = cli.main(list(arguments), prog_name="pdl", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as exc:
        click.echo(exc.format_message(), err=True)
        return WRONG_USE
    except click.ClickException as exc:
        return _complain(_without_values(exc), exc.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted; what was committed stays, and the same command goes on from there.", INTERRUPTED)
    except LedgerError as exc:
        return _complain(str(exc), status_of(exc))
    except BrokenPipeError:
        raise
    except UnicodeEncodeError:
        return _complain("an argument is not UTF-8; write it in UTF-8. Nothing was done.", WRONG_USE)
    except (OSError, MemoryError) as exc:
        return _complain(_of_the_system(exc), UNAVAILABLE)
    except SystemExit:
        return DONE  # Nothing of ours exits here: Click and Rich do, when whoever read our output left.
    except Exception as exc:  # noqa: BLE001 -- the last line of defence: no traceback, which could show a value
        return _our_mistake(exc)
    return status if isinstance(status, int) else DONE


def status_of(error: LedgerError) -> int:
    """The exit status that an error of the ledger stands for."""
    if isinstance(error, ApprovalRefused | ErasureRefused | ProofRefused | Tampered):
        return NO
    return UNAVAILABLE if isinstance(error, Busy | StoreUnavailable) else WRONG_USE


def _complain(sentence: str, status: int) -> int:
    click.echo(f"pdl: {sentence}", err=True)
    return status


def _without_values(error: click.ClickException) -> str:
    """Click's message without what was typed: an argument may be somebody's address."""
    sentence = error.format_message()
    if isinstance(error, click.exceptions.NoSuchOption):
        known = f" {' or '.join(error.possibilities)}?" if error.possibilities else ""
        sentence = f"no such option.{' Did you mean' + known if known else ''}"
    elif isinstance(error, click.exceptions.NoSuchCommand):
        near = getattr(error, "possibilities", None)
        sentence = f"no such command.{' Did you mean ' + ' or '.join(near) + '?' if near else ''}"
    else:
        sentence = re.sub(r"(unexpected extra arguments?) \(.*\)", r"\1", sentence, flags=re.DOTALL)
        sentence = re.sub(r"'[^']*' (is not (one of|a valid))", r"it \1", sentence, flags=re.DOTALL)
    context = getattr(error, "ctx", None)
    hint = f" See `{context.command_path} --help`." if context is not None else ""
    return f"{sentence.rstrip('.').strip()}.{hint}" if not sentence.endswith("?") else f"{sentence}{hint}"


def _of_the_system(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory. Nothing was half done; run the same command again with less beside it."
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the disk is full{where}. Nothing was half recorded; make room and run the same command again."
    return f"the system refused: {error.strerror or type(error).__name__}{where}. Nothing was half done."


def _our_mistake(error: Exception) -> int:
    if os.environ.get("PDL_DEBUG"):  # The one variable that is no setting: it must work when settings do not.
        traceback.print_exception(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    return _complain(
        f"a mistake of ours: {type(error).__name__} at {place}. Please report it; PDL_DEBUG=1 shows where it arose.",
        OUR_MISTAKE,
    )
