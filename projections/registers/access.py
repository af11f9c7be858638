"""Access to clients' systems: what was opened, for what, when it was closed, and how it was used."""

from __future__ import annotations

from typing import ClassVar

from projections.chronicle import Chronicle


class Access(Chronicle):
    """Grants of access with their uses; uses without a grant stand by themselves."""

    name = "access"
    help = "Access to clients' systems: granted for what, closed, how often used; and uses that no grant covers."
    topics = ("pdl.access.granted.v1", "pdl.access.closed.v1", "pdl.access.used.v1")
    fields = ("reference", "scope", "purpose", "target")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation",
        "client",
        "reference",
        "scope",
        "target",
        "granted",
        "closed",
        "uses",
        "last_used",
    )
    times = ("granted", "closed", "last_used")
