"""The producers' kit speaks the contract as it is now."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from consumers.kit import events
from ledger.domain.events import BY_WIRE
from tests.golden import kit

MODULE = Path(events.__file__)


def formatted(text: str) -> str:
    ruff = Path(sys.executable).with_name("ruff")
    done = subprocess.run([ruff, "format", "-q", "-"], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_kits_events_are_those_of_the_contract() -> None:
    wanted = formatted(kit.source())
    if os.environ.get("PDL_GOLDEN") == "write":
        MODULE.write_text(wanted, "utf-8")
    assert MODULE.read_text("utf-8") == wanted, "the contract changed; `make golden` writes the kit's events anew"
    assert {event.TYPE for event in events.EVERY} == set(BY_WIRE)
