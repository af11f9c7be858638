"""Structured log lines: one JSON object a batch and a decision on standard error; ids, counts and times, never a value."""

from __future__ import annotations

import logging
import sys


def log_as_json() -> None:
    """Send the log lines of the house to standard error as JSON, one object a line."""
    import structlog  # noqa: PLC0415 -- only when asked for

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ExtraAdder(),
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ]
        )
    )
    house = logging.getLogger("pdl")
    house.handlers[:] = [handler]
    house.setLevel(logging.INFO)
    house.propagate = False
