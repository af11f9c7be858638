"""Every register, one file each."""

from __future__ import annotations

from typing import Final

from projections.register import Register
from projections.registers.access import Access
from projections.registers.breaches import Breaches
from projections.registers.certificates import Certificates
from projections.registers.collections import Collections
from projections.registers.consents import Consents
from projections.registers.contracts import Contracts
from projections.registers.controls import Controls
from projections.registers.disclosures import Disclosures
from projections.registers.erasures import Erasures
from projections.registers.findings import Findings
from projections.registers.holds import Holds
from projections.registers.instructions import Instructions
from projections.registers.notices import Notices
from projections.registers.notifications import Notifications
from projections.registers.objections import Objections
from projections.registers.processing import Processing
from projections.registers.processors import Processors
from projections.registers.quarantine import Quarantine
from projections.registers.requests import Requests
from projections.registers.restrictions import Restrictions
from projections.registers.retention import RetentionRegister
from projections.registers.sources import Sources
from projections.registers.statements import Statements
from projections.registers.transfers import Transfers
from projections.registers.unsolicited import Unsolicited
from projections.registers.uses import Uses
from projections.trail import Trail

ALL: Final[tuple[Register, ...]] = (
    Statements(),
    Processing(),
    Collections(),
    Uses(),
    Disclosures(),
    Transfers(),
    Notices(),
    Consents(),
    Objections(),
    Restrictions(),
    Requests(),
    Unsolicited(),
    RetentionRegister(),
    Holds(),
    Erasures(),
    Notifications(),
    Certificates(),
    Contracts(),
    Processors(),
    Instructions(),
    Access(),
    Controls(),
    Breaches(),
    Findings(),
    Quarantine(),
    Sources(),
    Trail(),
)
"""In the order in which an auditor reads them."""
BY_NAME: Final[dict[str, Register]] = {register.name: register for register in ALL}
REGISTERS: Final[dict[str, str]] = {register.name: register.help for register in ALL}
"""Name -> what it shows, in one line."""
