"""Controls that were executed (GDPR Art. 5(2))."""

from __future__ import annotations

from typing import ClassVar

from projections.chronicle import Chronicle


class Controls(Chronicle):
    """Recurring checks that were done: found, handled, signed by which role."""

    name = "controls"
    help = "Recurring checks that were done: found, handled, signed by which role."
    topics = ("pdl.control.executed.v1",)
    version = 2
    fields = ("control", "found", "handled", "signed_by")
    numbers = ("found", "handled")
    columns: ClassVar[tuple[str, ...]] = ("organisation", "control", "time", "found", "handled", "signed_by")
