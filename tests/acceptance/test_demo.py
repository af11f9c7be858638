"""`pdl demo` as a newcomer meets it, with a small year; and what the whole path must never do with it."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from consumers.cli import run
from consumers.demo.tour import MARKER, Clock, follow, play
from consumers.demo.year import DUPLICATE, RECORDED, Year
from consumers.wiring import now, open_ledger
from ledger.domain.calendar import local
from ledger.domain.envelope import Envelope, decode
from ledger.domain.facts import fact_of
from ledger.policy.findings import at, row
from ledger.policy.judge import judge
from ledger.policy.packs import builtin_packs

END = date(2026, 11, 1)
NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
SMALL = ("--people", "150")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path, Year]:
    data = tmp_path_factory.mktemp("demo") / "pdl-demo"
    out, year = io.StringIO(), Year(people=150, end=local(now()).date())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        status = run(["demo", "--data", str(data), *SMALL])
    return status, out.getvalue(), data, year


def test_the_tour_ends_well_and_shows_every_screen(shown: tuple[int, str, Path, Year]) -> None:
    status, text, _, _ = shown

    assert status == 0
    for heading in (
        "accounted for",
        "registers know",
        "were broken",
        "longer than promised",
        "One person",
        "is erased",
        "log is whole",
        "Try it",
    ):
        assert heading in text
    assert "OK:" in text


def test_the_tour_fits_a_hundred_columns_and_has_no_codes_of_a_terminal_in_a_pipe(
    shown: tuple[int, str, Path, Year],
) -> None:
    _, text, _, _ = shown
    commands = [line for line in text.splitlines() if line.startswith("  ")]

    assert max(len(line) for line in text.splitlines() if line not in commands) <= 100
    assert "\x1b" not in text


def test_the_tour_opens_values_before_the_erasure_and_none_after_it_but_those_under_a_hold(
    shown: tuple[int, str, Path, Year],
) -> None:
    _, text, _, _ = shown
    before, _, after = text.partition("is erased\n")
    hero = Year(people=150).protagonist()

    assert f"name: {hero.name}" in before
    assert f"name: {hero.name}" not in after
    assert "(erased)" in after
    assert "held" in after


def test_a_second_demo_leaves_the_first_alone_unless_asked(
    shown: tuple[int, str, Path, Year], capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, data, _ = shown

    assert run(["demo", "--data", str(data), *SMALL]) == 2
    assert "--fresh" in capsys.readouterr().err
    assert (data / "log.db").is_file()


def test_the_demo_never_touches_a_directory_that_it_did_not_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    assert run(["demo", "--data", str(tmp_path), "--fresh", *SMALL]) == 2
    assert "left alone" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / MARKER).exists()


def test_the_demo_does_not_follow_a_link_to_somewhere_else(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert run(["demo", "--data", str(tmp_path / "link"), "--fresh", *SMALL]) == 2


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Year, Path, Counter[str], list[dict[str, object]]]:
    data = tmp_path_factory.mktemp("year") / "ledger"
    year, clock = Year(people=200, end=END), Clock(lambda: NOW)
    with open_ledger(data, write=True, create=True, command="test", clock=clock) as wired:
        tally = play(wired, year, clock)
        follow(wired)
        found = list(wired.registers.rows("findings", now=NOW))
    return (
        year,
        data,
        Counter({**tally.outcomes, **{f"quarantined:{reason}": n for reason, n in tally.reasons.items()}}),
        found,
    )


def test_every_message_of_the_year_becomes_what_was_planned(
    played: tuple[Year, Path, Counter[str], list[dict[str, object]]],
) -> None:
    year, _, outcomes, _ = played
    planned = Counter(message.expect for message in year)

    assert outcomes["recorded"] == planned[RECORDED]
    assert outcomes["duplicate"] == planned[DUPLICATE]
    for reason in set(planned) - {RECORDED, DUPLICATE}:
        assert outcomes[f"quarantined:{reason}"] == planned[reason], reason


def test_the_register_finds_what_the_judge_finds_in_memory(
    played: tuple[Year, Path, Counter[str], list[dict[str, object]]],
) -> None:
    year, _, _, found = played
    facts = [
        fact_of(envelope) for m in year if m.expect == RECORDED and isinstance(envelope := decode(m.body), Envelope)
    ]
    in_memory = [row(finding) for pack in builtin_packs().values() for finding in at(judge(pack, facts), NOW)]

    def told(rows: list[dict[str, object]]) -> Counter[object]:
        return Counter(
            (r["rule"], tuple(r["also"]), r["code"], tuple(r["about"]), r["since"], r["until"])
            for r in rows
            if r["severity"] != "note"
        )  # type: ignore[arg-type]

    assert told(found) == told(in_memory)
    assert len(found) > 60


def test_no_personal_value_stands_in_the_clear_in_any_file(
    played: tuple[Year, Path, Counter[str], list[dict[str, object]]], shown: tuple[int, str, Path, Year]
) -> None:
    year, data, _, _ = played
    for told, folder in ((year, data), (shown[3], shown[2])):
        values = [value.encode() for value in told.personal_values()]
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert len(values) > 1_000
        assert {file.name for file in files} >= {"log.db", "keys.db", "registers.db"}
        for file in files:
            content = file.read_bytes()
            assert [value for value in values if value in content] == [], file.name


def test_the_values_searched_for_would_be_found(
    played: tuple[Year, Path, Counter[str], list[dict[str, object]]],
) -> None:
    year, _, _, _ = played
    values = year.personal_values()
    whole = b"".join(message.clean or message.body for message in year)

    assert all(value.encode() in whole for value in sorted(values)[::10])


def test_the_clock_of_the_demo_returns_to_the_present() -> None:
    clock = Clock(lambda: NOW)
    clock.shows = NOW - timedelta(days=100)

    assert clock() == NOW - timedelta(days=100)
    clock.shows = None
    assert clock() == NOW


def test_the_demo_plays_on_postgres_too_and_its_server_can_be_started_by_hand(
    postgres_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # `postgres_server` says whether there is one here; a folder that the server's own account can reach.
    with tempfile.TemporaryDirectory(prefix="pdl-demo-") as folder:
        data = Path(folder) / "demo"
        assert run(["demo", "--data", str(data), "--postgres", *SMALL]) == 0
        said = capsys.readouterr().out
        assert "OK:" in said
        assert not (data / "log.db").exists()
        start, stop = re.findall(r"-m consumers\.postgres (\S+) (?:start|stop)", said)
        server = [sys.executable, "-m", "consumers.postgres", start]
        subprocess.run([*server, "start"], check=True, cwd=Path(__file__).parents[2])
        try:
            assert run(["--data", str(data), "verify"]) == 0
        finally:
            subprocess.run([*server, "stop"], check=True, cwd=Path(__file__).parents[2])
        assert start == stop
        assert run(["--data", str(data), "verify"]) == 3
