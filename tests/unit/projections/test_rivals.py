"""Two processes judge behind one log: whoever read before the other wrote writes nothing that is out of date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from projections import judgement
from projections.answers import Projections
from projections.judgement import Bench
from projections.postgres import PostgresTables
from projections.runner import Tables
from tests.unit.projections.conftest import NOW, Desk


class Killed(BaseException):
    """The process died."""


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Tables]:
    """Opens the same registers as another process would."""
    if request.param == "sqlite":
        return lambda: Tables(tmp_path / "registers.db")
    address = request.getfixturevalue("make_address")()
    return lambda: PostgresTables(address)


@pytest.mark.parametrize("dies", [True, False])
def test_a_judgement_from_before_a_rival_is_not_written_over_the_rivals(
    opened: Callable[[], Tables], monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    slow = Desk(opened())
    rival = Projections(None, slow.log, slow.packs, store=opened())
    slow.collected()
    people, met = Bench.people, []

    def late(self: Bench, asked: Any) -> Any:
        found = people(self, asked)
        if not met:
            met.append(True)
            slow.given("data.used", purpose="somewhere-else", operation="contact", categories=["email"])
            rival.catch_up()
        return found

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Bench, "people", late)
        if dies:
            # What the rival does must be whole: only the slow one dies, before it says how far it came.
            real = judgement.set_marks
            patch.setattr(
                judgement, "set_marks", lambda cursor, names, mark: (real if mark > 1 else killed)(cursor, names, mark)
            )
        try:
            slow.projections.catch_up()
        except Killed:
            assert dies
    assert met
    rival.catch_up()
    scratch = Projections(None, slow.log, slow.packs)
    scratch.catch_up()
    for name in ("findings", "retention"):
        assert list(rival.rows(name, now=NOW)) == list(scratch.rows(name, now=NOW)), name
    assert "not-listed" in {row["code"] for row in rival.rows("findings", now=NOW)}
    for each in (slow.projections, rival, scratch):
        each.close()
