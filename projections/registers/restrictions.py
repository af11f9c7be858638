"""Restrictions of processing (GDPR Art. 18)."""

from __future__ import annotations

from typing import ClassVar

from projections.chronicle import Chronicle


class Restrictions(Chronicle):
    """Restrictions per person: ground, placed, lifted."""

    name = "restrictions"
    help = "Restrictions per person: ground, placed, lifted."
    topics = ("pdl.restriction.placed.v1", "pdl.restriction.lifted.v1")
    fields = ("ground", "reference")
    columns: ClassVar[tuple[str, ...]] = ("organisation", "person", "client", "ground", "reference", "placed", "lifted")
    times = ("placed", "lifted")
