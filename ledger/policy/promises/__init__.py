"""The kinds of promise: one struct (tagged by `kind`) and one pure function each; no kind knows an organisation."""

from __future__ import annotations

from ledger.policy.promises.acts import (
    AccessScope,
    AllowList,
    Exempt,
    Matrix,
    Precondition,
    Prohibition,
    Recipient,
    Recipients,
    Relation,
    Row,
)
from ledger.policy.promises.base import PromiseBase
from ledger.policy.promises.consents import ConsentGate, Stop
from ledger.policy.promises.contracts import ContractGate
from ledger.policy.promises.duties import Cadence, Duty, NoticeDuty, Triage
from ledger.policy.promises.requests import RequestClock, RightRow
from ledger.policy.promises.retention import ClientParameter, Extension, Minimum, Parameter, Retention
from ledger.policy.promises.statutory import Statutory

Promise = (
    AllowList
    | Matrix
    | Recipients
    | Prohibition
    | Precondition
    | AccessScope
    | ConsentGate
    | Stop
    | ContractGate
    | Retention
    | Minimum
    | ClientParameter
    | Cadence
    | Duty
    | NoticeDuty
    | Triage
    | RequestClock
    | Statutory
)

__all__ = [
    "AccessScope",
    "AllowList",
    "Cadence",
    "ClientParameter",
    "ConsentGate",
    "ContractGate",
    "Duty",
    "Exempt",
    "Extension",
    "Matrix",
    "Minimum",
    "NoticeDuty",
    "Parameter",
    "Precondition",
    "Prohibition",
    "Promise",
    "PromiseBase",
    "Recipient",
    "Recipients",
    "Relation",
    "RequestClock",
    "Retention",
    "RightRow",
    "Row",
    "Statutory",
    "Stop",
    "Triage",
]
