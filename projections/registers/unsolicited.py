"""Unsolicited data: what arrived that nobody asked for, and what was decided."""

from __future__ import annotations

from typing import ClassVar

from projections.chronicle import Chronicle


class Unsolicited(Chronicle):
    """Personal data that nobody asked for: received, looked at, needed or not."""

    name = "unsolicited"
    help = "Personal data that nobody asked for: when they arrived, when somebody decided, and what."
    topics = ("pdl.unsolicited.received.v1", "pdl.unsolicited.triaged.v1")
    fields = ("reference", "decision")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation",
        "person",
        "client",
        "reference",
        "received",
        "triaged",
        "decision",
    )
    times = ("received", "triaged")
