"""Whom an erasure must reach, and what to tell them, put together while the keys still open something.

For each system that holds a copy a delete order, for each recipient that really received data the message of GDPR
Art. 19, for the person a letter. Bodies hold identifiers and names: they are sealed under the case's own key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from ledger.domain.calendar import Duration, day_of, late_from
from ledger.erasure import Task
from ledger.keys import IDENTITY, Erased, KeyStore
from ledger.policy.model import Pack
from ledger.sealing import TOKEN_MARK, Header, Record, header_of, opened
from projections.letter import Letter, Stays, Words, letter
from projections.page import COLLECTED, SHARED
from projections.standing import Standing

OPENED_MAX: Final = 200
"""How many facts of a person are opened for identifiers, references and the address: the newest."""
ANSWER: Final = Duration(months=1)
"""When a system or recipient is late with its answer (contract, Reading 11)."""
_ADDRESS: Final = ("name", "address", "postal-address", "email")


class Known(NamedTuple):
    """What was opened of a person: identifiers [(scheme, value)], references, the newest address, recipients by token."""

    identifiers: list[tuple[str, str]]
    references: list[str]
    address: dict[str, str]
    recipients: dict[str, str]


class Concerned(NamedTuple):
    """The case, as far as this module looks at it: what goes are (client, dataset), what stays (dataset, client, statute)."""

    case: str
    organisation: str
    person: str
    reason: str
    goes: Collection[tuple[str, str]]
    stays: Sequence[tuple[str, str, str]]


def provision(
    about: Concerned,
    pack: Pack,
    records: Sequence[Record],
    standings: Iterable[Standing],
    keys: KeyStore,
    names: Mapping[tuple[str, str], str],
    now: datetime,
) -> tuple[Task, ...]:
    """Every task of a case. `records` are the person's facts, `standings` where their datasets stand."""
    facts = [(record, header_of(record.state)) for record in records]
    known = _known([record for record, header in facts if header.person == about.person], keys)
    due = late_from(now, ANSWER).isoformat()
    message = _Message(about, known, names, due, now)
    orders = [message.order(*place, datasets) for place, datasets in _holders(about, standings).items()]
    told = _told(about, pack, [header for _, header in facts])
    notices = [message.notice(pack, share, datasets) for share, datasets in told]
    return (*orders, *notices, message.confirmation(pack, orders, notices))


def _holders(about: Concerned, standings: Iterable[Standing]) -> dict[tuple[str, str, str], list[str]]:
    """(system, activity, client) -> datasets, of every copy that a system reported and that goes."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    held = {(dataset, client) for dataset, client, _ in about.stays}
    whole = any(dataset == IDENTITY for _, dataset in about.goes)
    for standing in standings:
        client = standing.line.client or ""
        mine = standing.organisation == about.organisation and about.person in standing.people
        goes = (client, standing.place) in about.goes or (whole and (standing.place, client) not in held)
        if mine and goes and standing.hold is None:
            for system in standing.line.systems:
                found[system or "", standing.line.activity, client].append(standing.line.dataset)
    return {place: sorted(set(datasets)) for place, datasets in sorted(found.items())}


def _told(about: Concerned, pack: Pack, headers: Iterable[Header]) -> list[tuple[Header, list[str]]]:
    """The newest share with each recipient of something that goes, and the datasets that it was from."""
    newest: dict[tuple[str, str, str], Header] = {}
    datasets: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for header in headers:
        if header.type != SHARED or header.person != about.person or header.recipient is None:
            continue
        activity, client = header.activity or "", header.client or ""
        shared = {
            dataset
            for category in header.categories
            if (dataset := pack.dataset_of(activity, category) or "unlisted")
            and ((client, f"{activity}/{dataset}") in about.goes or ("", IDENTITY) in about.goes)
            and (f"{activity}/{dataset}", client) not in {(row[0], row[1]) for row in about.stays}
        }
        if shared:
            place = (header.recipient, activity, client)
            newest[place] = max(header, newest.get(place, header), key=lambda one: one.time)
            datasets[place] |= shared
    return [(newest[place], sorted(datasets[place])) for place in sorted(newest)]


class _Message(NamedTuple):
    """What all messages of a case have in common."""

    about: Concerned
    known: Known
    names: Mapping[tuple[str, str], str]
    due: str
    now: datetime

    def name(self, shown: str) -> str:
        """The name of a client, system or recipient: as the pack lists it, or what stands behind its token."""
        if not shown.startswith(TOKEN_MARK):
            return shown
        return self.known.recipients.get(shown) or self.names.get((self.about.organisation, shown), shown)

    def order(self, system: str, activity: str, client: str, datasets: list[str]) -> Task:
        """Delete what you hold."""
        return Task("order", system, activity, client, self.due, tuple(datasets), self._body(
            activity, client, datasets, system=self.name(system) or None, references=self.known.references
        ))  # fmt: skip

    def notice(self, pack: Pack, share: Header, datasets: list[str]) -> Task:
        """Art. 19: what you received was erased; erase it too."""
        activity, client = share.activity or "", share.client or ""
        shown = share.recipient or ""
        categories = [name for name in share.categories if (pack.dataset_of(activity, name) or "unlisted") in datasets]
        return Task("notice", shown, activity, client, self.due, tuple(datasets), self._body(
            activity, client, datasets, recipient=self.name(shown), categories=categories,
            operation="erasure", shared_last=share.time.isoformat(), law="GDPR Art. 19",
        ))  # fmt: skip

    def confirmation(self, pack: Pack, orders: Sequence[Task], notices: Sequence[Task]) -> Task:
        """The letter to the person."""
        about = self.about
        address = [self.known.address[name] for name in _ADDRESS if name in self.known.address]
        texts = letter(
            Letter(
                organisation=pack.name,
                case=about.case,
                day=day_of(self.now),
                address=address or [f"{scheme} {value}" for scheme, value in self.known.identifiers[:1]],
                erased=[_words(pack, dataset) for _, dataset in sorted(about.goes) if dataset != IDENTITY]
                or [Words("uw klantgegevens in ons register", "your details in our register")],
                stays=[Stays(_words(pack, dataset), statute, "") for dataset, _, statute in about.stays if statute],
                systems=sorted({self.name(task.target) for task in orders if task.target}),
                recipients=sorted({self.name(task.target) for task in notices}),
            )
        )
        body = {"identifiers": [list(identifier) for identifier in self.known.identifiers], "letter": texts}
        return Task("confirmation", "", "", "", "", (), body)

    def _body(self, activity: str, client: str, datasets: list[str], **more: Any) -> dict[str, Any]:
        first, *others = self.known.identifiers or [("", "")]
        subject = {"scheme": first[0], "value": first[1]}
        if others:
            subject["also"] = [{"scheme": scheme, "value": value} for scheme, value in others]  # type: ignore[assignment]
        return {
            "organisation": self.about.organisation,
            "case": self.about.case,
            "activity": activity,
            "client": self.name(client) or None,
            "datasets": datasets,
            "subject": subject,
            "reason": self.about.reason,
            "answer_before": self.due,
            **more,
        }


def _words(pack: Pack, place: str) -> Words:
    name = place.rpartition("/")[2]
    dataset = pack.datasets.get(name)
    return Words(name, name) if dataset is None else Words(dataset.nl, dataset.en)


def _known(records: Sequence[Record], keys: KeyStore) -> Known:
    """Open the newest facts of a person, and the newest share with each recipient that no pack lists."""
    wanted = list(records[-OPENED_MAX:])
    by_recipient = {
        header.recipient: record
        for record in records
        if (header := header_of(record.state)).type == SHARED and (header.recipient or "").startswith(TOKEN_MARK)
    }
    wanted += [record for record in by_recipient.values() if record not in wanted]
    known = Known([], [], {}, {})
    for record, sections in zip(wanted, opened([record.state for record in wanted], keys), strict=True):
        _note(known, header_of(record.state), sections)
    return known


def _note(known: Known, header: Header, sections: Mapping[str, Any | Erased]) -> None:
    event = sections.get(IDENTITY)
    data = event.get("data", {}) if isinstance(event, dict) else {}
    subject = data.get("subject") or {}
    for one in (subject, *(subject.get("also") or ())):
        if one.get("value") and (one["scheme"], one["value"]) not in known.identifiers:
            known.identifiers.append((one["scheme"], one["value"]))
    if header.type == COLLECTED and data.get("reference") and data["reference"] not in known.references:
        known.references.append(data["reference"])
    if header.type == SHARED and header.recipient is not None and data.get("recipient"):
        known.recipients[header.recipient] = data["recipient"]
    for dataset, content in sections.items():
        if dataset != IDENTITY and isinstance(content, dict):
            known.address.update({name: _line(content[name]) for name in _ADDRESS if content.get(name)})


def _line(value: Any) -> str:
    """A value of an address on one line."""
    if isinstance(value, dict):
        return ", ".join(_line(part) for part in value.values() if part)
    if isinstance(value, list):
        return ", ".join(_line(part) for part in value if part)
    return " ".join(str(value).split())
