"""Objections (GDPR Art. 21)."""

from __future__ import annotations

from typing import ClassVar

from projections.chronicle import Chronicle


class Objections(Chronicle):
    """Objections per person and purpose: raised, upheld or overridden."""

    name = "objections"
    help = "Objections per person and purpose: raised, upheld or overridden."
    topics = ("pdl.objection.raised.v1", "pdl.objection.answered.v1")
    fields = ("activity", "purpose", "outcome")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation",
        "person",
        "client",
        "activity",
        "purpose",
        "raised",
        "answered",
        "outcome",
    )
    times = ("raised", "answered")
