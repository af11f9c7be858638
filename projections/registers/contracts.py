"""Contracts with processors, clients and people (GDPR Art. 28(3))."""

from __future__ import annotations

from typing import ClassVar

from projections.chronicle import Chronicle


class Contracts(Chronicle):
    """Contracts: with whom, of which kind, from when, until when, ended."""

    name = "contracts"
    help = "Contracts: with whom, of which kind, from when, until when, ended."
    topics = ("pdl.contract.signed.v1", "pdl.contract.ended.v1")
    fields = ("reference", "party", "kind", "from_", "until", "country", "recipients", "services")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation",
        "person",
        "client",
        "reference",
        "party",
        "kind",
        "signed",
        "from",
        "until",
        "ended",
        "country",
        "recipients",
        "services",
    )
    times = ("signed", "ended")
    lists = ("recipients", "services")
