"""SQL of the registers stands in `.sql` files, as that of the ledger does."""

from __future__ import annotations

import re
from typing import Final

from ledger.sql import split, statements

__all__ = ["split", "statements", "tables"]

_TABLE: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)")


def tables(script: str) -> list[str]:
    """The tables that a script creates."""
    return _TABLE.findall(script)
