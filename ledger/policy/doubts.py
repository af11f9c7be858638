"""What a privacy lawyer would ask of a statement: where it is silent, weak, or at odds with itself or the law.

A pack may read its statement without a fault and still be full of these: they are for the organisation, not for
whoever wrote the pack. Each names the article that it stands on, and the rule whose sentence it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain.calendar import add, duration
from ledger.policy.filters import When, types_of
from ledger.policy.labels import spoken
from ledger.policy.model import UNSPECIFIED, Activity, Dataset, Pack
from ledger.policy.promises import (
    AllowList,
    ConsentGate,
    ContractGate,
    Minimum,
    Prohibition,
    PromiseBase,
    RequestClock,
    Retention,
    Stop,
)

AUTHORITY: Final = "dpv:DataProtectionAuthority"
"""The DPV term of the party to which people may complain."""


class Doubt(Struct, frozen=True, kw_only=True):
    """Something doubtful about a statement: its code, its place in the pack, in two languages, its rule and article."""

    code: str
    place: str
    en: str
    nl: str
    law: str
    rule: str | None = None
    severity: Literal["doubt", "note"] = "doubt"


def doubts(pack: Pack) -> Iterator[Doubt]:
    """Every doubt about the statement behind a pack, and every default that its reading assumed."""
    found = [doubt for check in _CHECKS for doubt in check(pack)]
    explained = {doubt.rule for doubt in found if doubt.code in _EXPLAINED}
    yield from (_with_reason(doubt, pack) for doubt in found)
    for at, rule in enumerate(pack.file.rules):
        if rule.doubt and rule.id not in explained:
            yield Doubt(
                code="sentence-doubtful",
                place=f"rule[{at}].doubt",
                en=rule.doubt,
                nl=rule.doubt_nl or rule.doubt,
                law=rule.law or "",
                rule=rule.id,
            )
        if rule.assumed:
            yield Doubt(
                code="assumed",
                place=f"rule[{at}].assumed",
                en=f"Assumed: {rule.assumed}",
                nl=f"Aangenomen: {rule.assumed_nl or rule.assumed}",
                law=rule.law or "",
                rule=rule.id,
                severity="note",
            )


_EXPLAINED: Final = frozenset(
    {"consent-by-use", "officer-is-controller", "basis-ended", "contradiction", "minimum-is-maximum"}
)
"""Codes that say what a rule's own `doubt` is about: the two are told together."""


def _with_reason(doubt: Doubt, pack: Pack) -> Doubt:
    rule = pack.rules.get(doubt.rule or "")
    if doubt.code not in _EXPLAINED or rule is None or rule.doubt is None:
        return doubt
    return replace(doubt, en=f"{doubt.en} {rule.doubt}", nl=f"{doubt.nl} {rule.doubt_nl or rule.doubt}")


# --- datasets -----------------------------------------------------------------------------------------------------------


def _bases(pack: Pack) -> Iterator[Doubt]:
    for at, row, activity in _datasets(pack):
        where, rule = f"dataset[{at}].bases", next(iter(row.rules), None)
        if row.bases == UNSPECIFIED and activity.acts_as == "processor":
            yield Doubt(
                code="basis-of-the-client",
                place=where,
                rule=rule,
                law="28(3)",
                severity="note",
                en=f"{row.en}: as a processor the organisation need not name the basis; each client does.",
                nl=f"{row.nl}: als verwerker hoeft de organisatie geen grondslag te noemen; dat doet elke opdrachtgever.",
            )
        elif row.bases == UNSPECIFIED:
            yield Doubt(
                code="basis-not-stated",
                place=where,
                rule=rule,
                law="13(1)(c)",
                en=f"{row.en}: the statement names no lawful basis.",
                nl=f"{row.nl}: de verklaring noemt geen grondslag.",
            )
        elif "legitimate-interest" in row.bases and len(row.bases) > 1:
            yield Doubt(
                code="basis-not-assigned",
                place=where,
                rule=_rule_about(row, pack, "6(1)") or rule,
                law="13(1)(c)",
                en=f"{row.en}: two bases, and not which is for which purpose, although objection (Art. 21) and portability (Art. 20) hang on it.",
                nl=f"{row.nl}: twee grondslagen, en niet welke bij welk doel hoort, terwijl bezwaar (art. 21) en overdraagbaarheid (art. 20) daarvan afhangen.",
            )
        if "legitimate-interest" in row.bases and row.interest is None:
            yield Doubt(
                code="interest-not-stated",
                place=where,
                rule=_rule_about(row, pack, "6(1)") or rule,
                law="13(1)(d)",
                en=f"{row.en}: a legitimate interest is claimed, and not which.",
                nl=f"{row.nl}: er wordt een gerechtvaardigd belang genoemd, en niet welk.",
            )


def _consent_by_use(pack: Pack) -> Iterator[Doubt]:
    """One doubt for each sentence that claims it, however many datasets stand on that."""
    claimed: dict[str, list[tuple[int, Dataset]]] = {}
    for at, row, _ in _datasets(pack):
        if row.consent_by_use is not None:
            claimed.setdefault(row.consent_by_use, []).append((at, row))
    for rule, rows in claimed.items():
        yield Doubt(
            code="consent-by-use",
            place=f"dataset[{rows[0][0]}].consent_by_use",
            rule=rule,
            law="4(11), 7",
            en=f"Consent is claimed from mere use, which is no consent: {', '.join(row.en for _, row in rows)}.",
            nl=f"Uit gebruik alleen wordt toestemming afgeleid, en dat is geen toestemming: {', '.join(row.nl for _, row in rows)}.",
        )


def _retention(pack: Pack) -> Iterator[Doubt]:
    for at, row, _ in _datasets(pack):
        rule = next(iter((*row.retention.rules, *row.rules)), None)
        if row.retention.ends == UNSPECIFIED:
            yield Doubt(
                code="retention-without-end",
                place=f"dataset[{at}].retention",
                rule=rule,
                law="13(2)(a)",
                en=f"{row.en}: the statement says neither how long this is kept nor by which criteria.",
                nl=f"{row.nl}: de verklaring zegt niet hoe lang dit bewaard blijft, en niet volgens welke maatstaf.",
            )
        if row.retention.ends == "criteria":
            yield Doubt(
                code="retention-without-term",
                place=f"dataset[{at}].retention",
                rule=rule,
                law="5(1)(e)",
                en=f"{row.en}: it ends by criteria without a term, which Art. 13(2)(a) allows; nothing falls due until the organisation says so: set a date to review it.",
                nl=f"{row.nl}: het eindigt volgens een maatstaf zonder termijn, wat art. 13(2)(a) toelaat; niets vervalt tot de organisatie het zegt: stel een datum om het na te zien.",
            )


def _basis_ended(pack: Pack) -> Iterator[Doubt]:
    """Data that are kept for the contract alone, long after it ended."""
    for at, promise in enumerate(pack.promises):
        if not isinstance(promise, Retention) or promise.after != "contract.ended" or not _is_long(promise.term):
            continue
        for row in _kept_by(promise, pack):
            if row.bases == ("contract",):
                term = promise.term or ""
                yield Doubt(
                    code="basis-ended",
                    place=f"promise[{at}].term",
                    rule=promise.rule,
                    law="6(1)",
                    en=f"{row.en}: kept {spoken(term, 'en')} after the contract ended, on no other basis than that contract.",
                    nl=f"{row.nl}: nog {spoken(term, 'nl')} bewaard na het einde van de overeenkomst, op geen andere grondslag dan die overeenkomst.",
                )


def _is_long(term: str | None) -> bool:
    return term is not None and term.endswith(("Y", "M"))


def _minimum_is_maximum(pack: Pack) -> Iterator[Doubt]:
    for at, promise in enumerate(pack.promises):
        if isinstance(promise, Retention) and promise.equals_minimum:
            yield Doubt(
                code="minimum-is-maximum",
                place=f"promise[{at}].equals_minimum",
                rule=promise.rule,
                law="5(1)(e), 17(3)(b)",
                en="Minimum and maximum are the same: the data must be kept until the last day, and be gone after it. A maximum that is later leaves time to erase.",
                nl="Minimum en maximum zijn gelijk: de gegevens moeten er tot de laatste dag zijn en daarna weg zijn. Een later maximum laat tijd om te wissen.",
            )


# --- recipients and parties -----------------------------------------------------------------------------------------------


def _recipients(pack: Pack) -> Iterator[Doubt]:
    day = max(pack.effective_from, pack.law.binds_from)
    for id_, row in pack.file.recipients.items():
        if row.country == UNSPECIFIED:
            yield Doubt(
                code="recipient-without-country",
                place=f"recipients.{id_}.country",
                rule=row.rule,
                law="13(1)(f)",
                en=f"{id_}: the statement names no country, so that nobody can tell whether data leave the EEA.",
                nl=f"{id_}: de verklaring noemt geen land, zodat niemand kan zien of gegevens de EER verlaten.",
            )
        elif not pack.law.in_eea(row.country, day):
            decision = pack.law.adequacy(row.country, day)
            basis_en = "no adequacy decision" if decision is None else f"the adequacy decision for {decision.name}"
            basis_nl = (
                "geen adequaatheidsbesluit" if decision is None else f"het adequaatheidsbesluit {decision.decision}"
            )
            yield Doubt(
                code="recipient-outside-eea",
                place=f"recipients.{id_}.country",
                rule=row.rule,
                law="13(1)(f), 44",
                en=f"{id_}: {row.country} is outside the EEA, with {basis_en} on {day}; the statement must name the safeguard.",
                nl=f"{id_}: {row.country} ligt buiten de EER, met {basis_nl} op {day}; de verklaring moet de waarborg noemen.",
            )
        if row.contract == UNSPECIFIED and row.dpv in _PROCESSORS:
            yield Doubt(
                code="recipient-without-contract",
                place=f"recipients.{id_}.contract",
                rule=row.rule,
                law="28(3)",
                en=f"{id_}: the statement mentions no contract.",
                nl=f"{id_}: de verklaring noemt geen overeenkomst.",
            )


_PROCESSORS: Final = frozenset({"dpv:DataProcessor", "dpv:DataSubProcessor"})


def _nobody_named(pack: Pack) -> Iterator[Doubt]:
    """Shares are foreseen, and no recipient is named."""
    if pack.file.recipients:
        return
    for at, promise in enumerate(pack.promises):
        if isinstance(promise, ContractGate) and promise.party == "recipient":
            yield Doubt(
                code="recipients-not-named",
                place=f"promise[{at}]",
                rule=promise.rule,
                law="13(1)(e)",
                en="Data are shared under a contract, and the statement names no recipient and no category of recipients.",
                nl="Gegevens worden onder een overeenkomst gedeeld, en de verklaring noemt geen ontvanger en geen categorie van ontvangers.",
            )
            return


_CONFLICTING: Final = frozenset({"controller", "data-protection-officer"})


def _parties(pack: Pack) -> Iterator[Doubt]:
    parties = pack.file.parties
    for id_, party in parties.items():
        if party.same_person_as is not None and {id_, party.same_person_as} == _CONFLICTING:
            yield Doubt(
                code="officer-is-controller",
                place=f"parties.{id_}",
                rule=party.rule,
                law="38(6)",
                en="One person is controller and data protection officer: their tasks conflict.",
                nl="Eén persoon is verwerkingsverantwoordelijke en functionaris gegevensbescherming: die taken botsen.",
            )
    if "controller" not in parties:
        yield Doubt(
            code="controller-not-named",
            place="parties",
            law="13(1)(a)",
            en="The statement does not say who the controller is.",
            nl="De verklaring zegt niet wie de verwerkingsverantwoordelijke is.",
        )
    if not any(party.dpv == AUTHORITY for party in parties.values()):
        yield Doubt(
            code="complaint-not-stated",
            place="parties",
            law="13(2)(d)",
            en="The statement does not say that people may complain to the supervisory authority.",
            nl="De verklaring zegt niet dat men een klacht kan indienen bij de toezichthouder.",
        )


# --- rights and consent ---------------------------------------------------------------------------------------------------


def _rights(pack: Pack) -> Iterator[Doubt]:
    wanted = [id_ for id_, right in pack.law.file.rights.items() if right.term is not None]
    named, place, rule = _named_rights(pack)
    missing = [id_ for id_ in wanted if id_ not in named]
    if missing:
        rights = pack.law.file.rights
        yield Doubt(
            code="right-not-stated",
            place=place,
            rule=rule,
            law="13(2)(b)",
            en=f"The statement does not name the right of {_and([rights[id_].en for id_ in missing], 'and')}.",
            nl=f"De verklaring noemt het recht op {_and([rights[id_].nl for id_ in missing], 'en')} niet.",
        )


def _named_rights(pack: Pack) -> tuple[set[str], str, str | None]:
    """The rights that the statement names, and where: in its clock of requests, or by an objection that it honours."""
    named, place, rule = set[str](), "statement", None
    for at, promise in enumerate(pack.promises):
        if isinstance(promise, RequestClock):
            named |= {id_ for id_, row in promise.rights.items() if not row.after_contract}
            if named:
                place, rule = f"promise[{at}]", promise.rule
        if isinstance(promise, Stop) and "objection" in promise.on and _is_the_right(promise):
            named.add("objection")
    return named, place, rule


def _is_the_right(promise: Stop) -> bool:
    """Whether an objection is the right of Art. 21(1), and not the end of marketing alone."""
    return not promise.purposes or promise.law.startswith("21(1)")


def _withdrawal(pack: Pack) -> Iterator[Doubt]:
    """Consent is asked, and nothing says that it can be withdrawn."""
    stopped: set[str] = set()
    for promise in pack.promises:
        if isinstance(promise, Stop) and "withdrawn" in promise.on:
            stopped |= set(promise.purposes or pack.known("purpose"))
    for at, promise in enumerate(pack.promises):
        if isinstance(promise, ConsentGate) and not promise.statutory:
            asked = {promise.purpose} if promise.purpose is not None else set(promise.when.purpose)
            if asked and not asked & stopped:
                yield Doubt(
                    code="withdrawal-not-stated",
                    place=f"promise[{at}]",
                    rule=promise.rule,
                    law="7(3), 13(2)(c)",
                    en="Consent is asked, and the statement does not say that it can be withdrawn.",
                    nl="Er wordt toestemming gevraagd, en de verklaring zegt niet dat die kan worden ingetrokken.",
                )


def _open_purposes(pack: Pack) -> Iterator[Doubt]:
    told: set[str] = set()
    for at, promise in enumerate(pack.promises):
        if isinstance(promise, AllowList) and promise.field == "purpose" and promise.open and promise.rule not in told:
            told.add(promise.rule)
            yield Doubt(
                code="purposes-open",
                place=f"promise[{at}].open",
                rule=promise.rule,
                law="5(1)(b), 13(1)(c)",
                en="The list of purposes gives examples: a purpose must be specified before data are collected for it.",
                nl="De lijst van doelen geeft voorbeelden: een doel moet vaststaan voordat daarvoor gegevens worden verzameld.",
            )


# --- at odds with itself ----------------------------------------------------------------------------------------------------


def _contradictions(pack: Pack) -> Iterator[Doubt]:
    for at, rule in enumerate(pack.file.rules):
        for other in rule.contradicts:
            words = pack.rules[other].words if other in pack.rules else other
            yield Doubt(
                code="contradiction",
                place=f"rule[{at}].contradicts",
                rule=rule.id,
                law=rule.law or "",
                en=f"At odds with {other}, “{words}”.",
                nl=f"In strijd met {other}, “{words}”.",
            )


def _at_odds(pack: Pack) -> Iterator[Doubt]:
    """Promises of which no act, or no day, can keep both."""
    promises = list(enumerate(pack.promises))
    for at, one in promises:
        for _, other in promises[:at]:
            if isinstance(one, AllowList) and isinstance(other, AllowList) and _disjoint(one, other):
                yield _both(
                    pack,
                    f"promise[{at}].allowed",
                    one,
                    other,
                    "nothing is allowed by both",
                    "niets is door beide toegestaan",
                )
            if isinstance(one, Retention) and isinstance(other, Retention) and _two_terms(one, other):
                told = (f"{spoken(term or '', 'en')}" for term in (one.term, other.term))
                beloofd = (f"{spoken(term or '', 'nl')}" for term in (one.term, other.term))
                yield _both(
                    pack,
                    f"promise[{at}].term",
                    one,
                    other,
                    f"two terms, {' and '.join(told)}",
                    f"twee termijnen, {' en '.join(beloofd)}",
                )
        for _, other in promises:
            if isinstance(one, Minimum) and isinstance(other, Retention) and _too_long(one, other):
                yield _both(
                    pack, f"promise[{at}].term", one, other, "kept longer than is allowed", "langer bewaard dan mag"
                )


def _both(pack: Pack, place: str, one: PromiseBase, other: PromiseBase, en: str, nl: str) -> Doubt:
    words = pack.rules[other.rule].words if other.rule in pack.rules else other.rule
    return Doubt(
        code="contradiction",
        place=place,
        rule=one.rule,
        law=one.law or other.law or "5(1)(a)",
        en=f"At odds with {other.rule}, “{words}”: {en}.",
        nl=f"In strijd met {other.rule}, “{words}”: {nl}.",
    )


def _disjoint(one: AllowList, other: AllowList) -> bool:
    """Whether two lists of the same field, for acts that may be the same, have nothing in common."""
    return (
        one.field == other.field
        and one.rule != other.rule
        and not (one.open or other.open or one.unless_consent or other.unless_consent)
        and not (one.unless_basis or other.unless_basis or one.once_per_version or other.once_per_version)
        and set(one.allowed).isdisjoint(other.allowed)
        and set(one.categories) == set(other.categories)
        and _meet(one.when, other.when)
    )


def _meet(one: When, other: When) -> bool:
    """Whether two filters let the same acts through, whatever their types; a narrower one beside a wider is no contradiction."""
    narrowing = (field for field in one.__struct_fields__ if field not in {"type", "not_type"})
    same = all(getattr(one, field) == getattr(other, field) for field in narrowing)
    return same and not set(types_of(one)).isdisjoint(types_of(other))


def _two_terms(one: Retention, other: Retention) -> bool:
    """Whether two terms count from the same moment for the same data of the same people."""
    return (
        one.rule != other.rule
        and (one.activity, one.after, one.parameter) == (other.activity, other.after, None)
        and one.term != other.term
        and _share(one.datasets, other.datasets)
        and (one.only_class, one.unless_class, one.origin) == (other.only_class, other.unless_class, other.origin)
    )


def _too_long(least: Minimum, most: Retention) -> bool:
    """Whether data must be kept for longer than they may be, counted from the same moment."""
    shortest, longest = duration(least.term or ""), duration(most.term or "")
    if shortest is None or longest is None or least.after != most.after:
        return False
    there = not least.activities or most.activity in least.activities
    return there and _share(least.datasets, most.datasets) and add(_ANY_DAY, shortest) > add(_ANY_DAY, longest)


_ANY_DAY: Final = date(2024, 1, 31)


def _share(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists of datasets have one in common; an empty list is all of them."""
    return not one or not other or not set(one).isdisjoint(other)


def _shares(pack: Pack) -> Iterator[Doubt]:
    """Nothing may be shared, and a system needs a supplier: in law a processor is a recipient."""
    if pack.file.recipients:
        return
    for at, promise in enumerate(pack.promises):
        if (
            isinstance(promise, Prohibition)
            and not promise.categories
            and promise.exception is None
            and promise.when.type == ("data.shared",)
            and not promise.when.activity
        ):
            yield Doubt(
                code="processors-not-named",
                place=f"promise[{at}]",
                rule=promise.rule,
                law="13(1)(e), 28",
                en="Nothing is shared with third parties; whether a processor, such as a hosting company, has the data is not said.",
                nl="Er wordt niets met derden gedeeld; of een verwerker, zoals een hostingbedrijf, de gegevens heeft, staat er niet.",
            )


def _silent(pack: Pack) -> Iterator[Doubt]:
    if pack.file.statement.effective_from_assumed:
        told = pack.file.statement.effective_from_assumed
        yield Doubt(
            code="assumed",
            place="statement.effective_from_assumed",
            law="",
            severity="note",
            en=f"Assumed: {told}",
            nl=f"Aangenomen: {pack.file.statement.effective_from_assumed_nl or told}",
        )
    for at, row in enumerate(pack.file.open):
        yield Doubt(
            code="left-open",
            place=f"open[{at}]",
            law="",
            severity="note",
            en=f"Left open: {row.en}. {row.instead}",
            nl=f"Opengelaten: {row.nl}. {row.instead_nl or row.instead}",
        )


_CHECKS: Final[tuple[Callable[[Pack], Iterator[Doubt]], ...]] = (
    _bases,
    _consent_by_use,
    _retention,
    _basis_ended,
    _minimum_is_maximum,
    _recipients,
    _nobody_named,
    _shares,
    _parties,
    _rights,
    _withdrawal,
    _open_purposes,
    _contradictions,
    _at_odds,
    _silent,
)


# --- looking up -------------------------------------------------------------------------------------------------------------


def _datasets(pack: Pack) -> Iterator[tuple[int, Dataset, Activity]]:
    for at, row in enumerate(pack.file.datasets):
        yield at, row, pack.activities[row.activity]


def _kept_by(promise: Retention, pack: Pack) -> Iterable[Dataset]:
    activity = pack.activities.get(promise.activity)
    rows = {} if activity is None else activity.datasets
    return [row for id_, row in rows.items() if not promise.datasets or id_ in promise.datasets]


def _rule_about(row: Dataset, pack: Pack, article: str) -> str | None:
    """The rule of a dataset that stands on an article."""
    return next((id_ for id_ in row.rules if (pack.rules[id_].law or "").startswith(article)), None)


def _and(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
