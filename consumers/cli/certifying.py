"""`pdl certificate`: what was destroyed, shown to somebody who trusts nothing."""

from __future__ import annotations

from pathlib import Path

import click

from consumers.cli import NO
from consumers.cli.options import data_option, format_option, opened
from consumers.cli.render import one
from ledger.domain.errors import Unreadable


class _CaseOrVerify(click.Group):
    """`pdl certificate CASE` and `pdl certificate verify FILE`: what is no subcommand is a case."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["issue", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_CaseOrVerify)
def certificate() -> None:
    """Certify an erasure, and verify certificates offline.

    `pdl certificate CASE` prints the certificate of a case, or the supplement that is due.

    \b
    Example:
      pdl certificate case-0123456789abcdef > erasure.certificate
      pdl certificate verify erasure.certificate --key ledger.vkey
    """


@certificate.command()
@click.argument("case", metavar="CASE")
@data_option
def issue(case: str) -> None:
    """Print the certificate of a case; `issue` may be left out.

    It is kept in the log and given again as it was. Once systems or recipients answered, or the epoch closed, a
    supplement is printed, which names the first by its SHA-256. Exit status 1 where nothing was destroyed.

    \b
    Example:
      pdl certificate case-0123456789abcdef > erasure.certificate
    """
    from consumers.certificates import current  # noqa: PLC0415 -- with the ledger, not before
    from consumers.certificates import issue as made  # noqa: PLC0415 -- as above

    with opened(write=False) as wired:
        wired.registers.catch_up()
        text = current(wired, case)
    if text is None:
        with opened(write=True) as wired:
            wired.registers.catch_up()
            text = made(wired, case)
            wired.registers.catch_up()
    click.echo(text, nl=False)


@certificate.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--key", metavar="KEY|FILE", help="The ledger's verifier key (`pdl key`), got from elsewhere than the certificate."
)
@format_option
def verify(file: Path, key: str | None, form: str) -> int:
    """Verify a certificate offline: no data directory is needed, and any altered byte is refused.

    Without --key the key in the file is taken: that shows that the file is whole, not whose it is. Exit status 1
    where something does not hold.

    \b
    Example:
      pdl certificate verify erasure.certificate --key ledger.vkey
    """
    from ledger.evidence.certificate import verify as judged  # noqa: PLC0415 -- only this command needs it
    from ledger.evidence.note import parse_verifier  # noqa: PLC0415 -- as above

    try:
        content = file.read_bytes()
        told = None if key is None else Path(key).read_text(encoding="utf-8") if Path(key).is_file() else key
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{error.filename if isinstance(error, OSError) else key} cannot be read.") from error
    verdict = judged(content, None if told is None else parse_verifier(told))
    if form != "table":
        one(verdict._asdict() | {"problems": list(verdict.problems)}, form)
    else:
        click.echo(f"{'OK' if verdict.ok else 'NOT OK'}: {file.name}" + (f", {verdict.case}" if verdict.case else ""))
        for problem in verdict.problems:
            click.echo(f"  - {problem}")
        if verdict.ok and told is None:
            click.echo(
                "Whole, and signed by the key that it names. Compare that key with `pdl key` of the ledger (--key)."
            )
    return 0 if verdict.ok else NO
