"""Personal data breaches (GDPR Art. 33, 34)."""

from __future__ import annotations

from typing import ClassVar

from projections.chronicle import Chronicle


class Breaches(Chronicle):
    """Breaches: aware, told to authority, people and controllers, closed."""

    name = "breaches"
    help = "Breaches: aware, told to authority, people and controllers, closed."
    topics = ("pdl.breach.detected.v1", "pdl.breach.notified.v1", "pdl.breach.closed.v1")
    fields = ("reference", "aware_at", "to", "categories", "datasets")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation",
        "client",
        "reference",
        "detected",
        "aware_at",
        "authority",
        "subjects",
        "controller",
        "closed",
        "categories",
        "datasets",
    )
    times = ("detected", "authority", "subjects", "controller", "closed")
    lists = ("categories", "datasets")
