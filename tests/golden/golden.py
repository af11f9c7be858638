"""Golden files: what a wire format looked like when it was released. PDL_GOLDEN=write writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent


def same_as_golden(name: str, found: str) -> None:
    """Compare with the golden file of that name; a difference is a change of the format, or a defect."""
    path = HERE / name
    if os.environ.get("PDL_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8"), f"{name} changed; if that is meant: make golden"
