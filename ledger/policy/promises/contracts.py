"""Promises that an act stands on a contract that is in force."""

from __future__ import annotations

from typing import Literal

from ledger.domain.facts import Fact
from ledger.policy.case import Case, Setting
from ledger.policy.filters import When
from ledger.policy.promises.base import Act, PromiseBase
from ledger.policy.timeline import Contract


class ContractGate(PromiseBase, frozen=True, kw_only=True, tag="contract-gate"):
    """The acts that match need a valid contract with their recipient, or with the person (`party`).

    `must_cite`: the act names the contract, which is with the person and names the recipient;
    `not_client`: an act towards the data's own client is exempt; `processors`: only recipients that render a
    service, were engaged as processor, or are listed need one; `statutory`: yields to the statement's own gate.
    """

    when: When
    party: Literal["recipient", "subject"] = "recipient"
    must_cite: bool = False
    not_client: bool = False
    processors: bool = False
    statutory: bool = False


def contract_gate(promise: ContractGate, setting: Setting) -> Act:
    """Judge an act by the contract that it stands on (contract, Reading 1)."""
    if promise.party == "subject":
        return _with_person(promise)
    listed = setting.pack.known("recipient")

    def judge(fact: Fact, case: Case) -> None:
        if promise.not_client and fact.client is not None and fact.recipient == fact.client:
            return
        if promise.processors and not (
            fact.service is not None
            or fact.recipient in listed
            or case.organisation.is_processor(fact.recipient or "", fact.time)
        ):
            return
        if promise.must_cite and fact.contract is None:
            case.find_act(promise, "contract-not-cited", fact, "geen overeenkomst aangehaald", "no contract is cited")
        elif valid_contract(fact, case) is None:
            nl, en = setting.shown("recipient", [fact.recipient or ""])
            case.find_act(
                promise,
                "no-contract",
                fact,
                f"gedeeld zonder een overeenkomst die toen gold; ontvanger: {nl}",
                f"shared without a contract that was valid then; recipient: {en}",
            )

    return judge


def valid_contract(fact: Fact, case: Case) -> Contract | None:
    """The contract with the recipient of a share that is valid at that moment: the cited one, if it cites one."""
    known: list[Contract] = [
        *case.organisation.contracts_with(fact.recipient, fact.contract, fact.time),
        *case.person.contracts,
    ]
    for contract in known:
        if (
            contract.valid(fact.time)
            and contract.names(fact.recipient)
            and (fact.contract is None or fact.contract == contract.signed.reference)
        ):
            return contract
    return None


def _with_person(promise: ContractGate) -> Act:
    def judge(fact: Fact, case: Case) -> None:
        cited = any(contract.signed.reference == fact.reference for contract in case.person.contracts)
        if case.person.contract_with(fact.reference if cited else None, fact.time) is None:
            case.find_act(
                promise,
                "no-contract",
                fact,
                "geen lopende overeenkomst met de betrokkene",
                "no running contract with the person",
            )

    return judge
