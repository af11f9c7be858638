"""Processors and subprocessors (GDPR Art. 28(2), 28(4))."""

from __future__ import annotations

from typing import ClassVar

from projections.chronicle import Chronicle


class Processors(Chronicle):
    """Processors that were engaged or let go: services, country, announced to clients."""

    name = "processors"
    help = "Processors that were engaged or let go: services, country, announced to clients."
    topics = ("pdl.processor.engaged.v1", "pdl.processor.ended.v1")
    fields = ("recipient", "services", "country", "announced_at")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation",
        "recipient",
        "services",
        "country",
        "engaged",
        "announced_at",
        "ended",
    )
    times = ("engaged", "ended")
    lists = ("services",)
