"""What a promise is judged with: the pack, the law, one person or the organisation, and how a finding is worded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from ledger.domain.calendar import FOREVER, day_of, start_of
from ledger.domain.facts import Fact
from ledger.policy.findings import Code, Finding, Message, Severity
from ledger.policy.model import UNDECLARED, UNLISTED
from ledger.policy.obligations import Duty, Obligation
from ledger.policy.timeline import COLLECTED, Copy, Organisation, Person

if TYPE_CHECKING:
    from ledger.policy.model import Pack
    from ledger.policy.promises.base import PromiseBase


class Setting:
    """A pack with the law under it, as every promise of it needs them; made once per pack.

    A version of a statement governs from `binds` (the law: `law_binds`) until the next one takes effect, at `ends`; `began`
    is when the first version took effect.
    """

    def __init__(self, pack: Pack, ends: datetime = FOREVER, earlier: Sequence[Pack] = ()) -> None:
        self.pack: Final = pack
        self.ends: Final = ends
        self.earlier: Final = earlier
        self.law: Final = pack.law
        self.organisation: Final = pack.organisation
        self.binds: Final = start_of(pack.effective_from)
        self.law_binds: Final = max(self.binds, start_of(pack.law.binds_from))
        self.began: Final = start_of(earlier[0].effective_from) if earlier else self.binds
        self._not_kept: Final = {(row.activity, name) for row in pack.file.prohibited for name in row.categories}
        self._words: dict[str, tuple[str, str]] = {}

    def governs(self, at: datetime, *, law: bool = False) -> bool:
        """Whether this version of the statement, or the law under it, is the one for what happens at a moment."""
        return (self.law_binds if law else self.binds) <= at < self.ends

    def took(self, at: datetime) -> bool:
        """Whether data collected at a moment were taken under this version; the first one has all that came before."""
        return at < self.ends and (not self.earlier or at >= self.binds)

    def words(self, rule: str, own: str = "") -> tuple[str, str]:
        """The words of the statement, or of the law in Dutch and English, for a rule."""
        if own:
            return own, own
        found = self._words.get(rule)
        if found is None:
            found = self._words[rule] = self._find_words(rule)
        return found

    def _find_words(self, rule: str) -> tuple[str, str]:
        if rule in self.pack.rules:
            text = self.pack.rules[rule].words
            return text, text
        article = self.law.articles.get(rule)
        return (article.nl, article.en) if article is not None else (rule, rule)

    def shown(self, space: str, ids: Iterable[str]) -> tuple[str, str]:
        """Ids as a message may show them, in Dutch and English: labels of listed ones, and how many are not listed."""
        if space == "dataset":
            rows = [self.pack.datasets[id_] for id_ in ids if id_ in self.pack.datasets]
            return ", ".join(row.nl for row in rows), ", ".join(row.en for row in rows)
        listed, unlisted = [], 0
        known = self.pack.known(space)
        for id_ in dict.fromkeys(ids):
            if id_ in known:
                listed.append(id_)
            else:
                unlisted += 1
        nl = [_label(self.pack, space, id_, "nl") for id_ in listed] + (
            [f"{unlisted} niet genoemd"] if unlisted else []
        )
        en = [_label(self.pack, space, id_, "en") for id_ in listed] + ([f"{unlisted} not named"] if unlisted else [])
        return ", ".join(nl), ", ".join(en)

    def basis_of(self, fact: Fact) -> str | None:
        """The basis of an act: its own, or the first that the pack gives for its categories; None when it states none.

        A basis that the statement claims from mere use is no consent, and is not assumed.
        """
        if fact.basis is not None:
            return fact.basis
        for category in fact.categories:
            dataset = self.pack.dataset_of(fact.activity or "", category)
            if dataset is not None and self.pack.datasets[dataset].consent_by_use is None:
                bases = self.pack.bases_of(fact.activity or "", category)
                if bases:
                    return bases[0]
        return None

    def dataset_of(self, activity: str | None, categories: Iterable[str]) -> str | None:
        """The one dataset of these categories, or None; all that the activity has ("*"), or what it does not list.

        What the statement prohibits and lists nowhere is in no dataset: its values are not kept.
        """
        listed = self.pack.datasets_of(activity or "")
        found: set[str | None] = set()
        for category in categories:
            if category == "*":
                found.update(listed.values())
            else:
                found.add(listed.get(category) or (None if (activity, category) in self._not_kept else UNLISTED))
        return found.pop() if len(found) == 1 else None


def _label(pack: Pack, space: str, id_: str, language: Literal["nl", "en"]) -> str:
    label = pack.label(space, id_)
    return id_ if label is None else getattr(label, language)


class Case:
    """One person (or the organisation itself) before the judge; findings collect in `found`.

    Where somebody asks for them, obligations collect in `owed` (None: nobody asks).
    """

    __slots__ = ("_copies", "found", "organisation", "owed", "person", "setting")

    def __init__(
        self, setting: Setting, person: Person, organisation: Organisation, owed: list[Obligation] | None = None
    ) -> None:
        self.owed: Final = owed
        self.setting: Final = setting
        self.person: Final = person
        self.organisation: Final = organisation
        self.found: Final[list[Finding]] = []
        self._copies: dict[str, list[Copy]] | None = None

    def copies(self, activity: str) -> list[Copy]:
        """The copies of the person's data in one activity."""
        if self._copies is None:
            self._copies = {}
            for copy in self.person.copies:
                self._copies.setdefault(copy.collected.activity or "", []).append(copy)
        return self._copies.get(activity, [])

    def class_of(self, fact: Fact) -> str | None:
        """The class of the person at an act."""
        if fact.type == COLLECTED and fact.class_ is not None:
            return fact.class_
        return self.person.class_at(fact.time, fact.client)

    def consented(self, fact: Fact, purposes: Iterable[str]) -> bool:
        """Whether consent is in force for every one of these purposes (and there is one)."""
        wanted = tuple(purposes)
        return bool(wanted) and all(
            self.person.consent(purpose, fact.time, fact.client, fact.recipient) is not None for purpose in wanted
        )

    def owe(
        self,
        promise: PromiseBase,
        duty: Duty,
        about: Iterable[Fact],
        began: datetime,
        due: datetime,
        done: datetime | None,
        *,
        unrolled: datetime | None = None,
        waived: str | None = None,
        rule: str | None = None,
        law: str | None = None,
        words: str = "",
        activity: str | None = None,
        client: str | None = None,
    ) -> None:
        """Note a duty with its deadline and when it was done, if somebody asks for obligations."""
        if self.owed is None:
            return
        named = promise.rule if rule is None else rule
        self.owed.append(
            Obligation(
                rule=named,
                law=promise.law if law is None else law,
                duty=duty,
                organisation=self.setting.organisation,
                activity=self._declared(activity),
                about=tuple(dict.fromkeys(fact.id for fact in about)),
                began=began,
                due=due,
                unrolled=unrolled if unrolled is not None and unrolled < due else None,
                fulfilled=done,
                waived=waived,
                words=self.setting.words(named, words or (promise.words if named == promise.rule else ""))[0],
                person=self.person.name,
                client=client,
            )
        )

    def _declared(self, activity: str | None) -> str | None:
        return activity if activity is None or activity in self.setting.pack.activities else UNDECLARED

    def find(
        self,
        promise: PromiseBase,
        code: Code,
        about: Iterable[Fact | str],
        since: datetime,
        nl: str,
        en: str,
        *,
        until: datetime | None = None,
        rule: str | None = None,
        also: tuple[str, ...] | None = None,
        law: str | None = None,
        words: str = "",
        severity: Severity | None = None,
        activity: str | None = None,
        dataset: str | None = None,
        client: str | None = None,
        visible_from: datetime | None = None,
        visible_to: datetime | None = None,
        person: str | None = None,
        assumed: bool = True,
    ) -> None:
        """Record one contradiction of a promise; `assumed` says whether its default decided."""
        named = promise.rule if rule is None else rule
        others = promise.also if also is None else also
        quoted_nl, quoted_en = self.setting.words(named, words or (promise.words if named == promise.rule else ""))
        tail_nl = f" (aangenomen: {promise.assumed_nl or promise.assumed})" if promise.assumed and assumed else ""
        tail_en = f" (assumed: {promise.assumed})" if promise.assumed and assumed else ""
        self.found.append(
            Finding(
                rule=named,
                also=tuple(sorted(set(others) - {named}, key=rule_order)),
                law=promise.law if law is None else law,
                code=code,
                severity=severity or ("risk" if promise.risk else "violation"),
                organisation=self.setting.organisation,
                activity=self._declared(activity),
                dataset=dataset,
                about=tuple(dict.fromkeys(item if isinstance(item, str) else item.id for item in about)),
                since=since,
                until=until,
                message=Message(f"\u2018{quoted_nl}\u2019: {nl}.{tail_nl}", f"\u2018{quoted_en}\u2019: {en}.{tail_en}"),
                words=quoted_nl,
                person=self.person.name if person is None else person,
                client=client,
                visible_from=visible_from,
                visible_to=visible_to,
            )
        )

    def find_act(
        self,
        promise: PromiseBase,
        code: Code,
        fact: Fact,
        nl: str,
        en: str,
        *,
        besides: Iterable[Fact] = (),
        rule: str | None = None,
        also: tuple[str, ...] | None = None,
        law: str | None = None,
        severity: Severity | None = None,
        categories: Iterable[str] | None = None,
    ) -> None:
        """Record that an act contradicts a promise, from its own time."""
        self.find(
            promise,
            code,
            (fact, *besides),
            fact.time,
            nl,
            en,
            rule=rule,
            also=also,
            law=law,
            severity=severity,
            activity=fact.activity,
            dataset=self.setting.dataset_of(fact.activity, fact.categories if categories is None else categories),
            client=fact.client,
        )


_DEEDS: Final = {
    "pdl.data.collected.v1": ("verzameld", "collected"),
    "pdl.data.used.v1": ("gebruikt", "used"),
    "pdl.data.shared.v1": ("gedeeld", "shared"),
    "pdl.data.rectified.v1": ("gewijzigd", "corrected"),
    "pdl.data.deleted.v1": ("verwijderd", "deleted"),
}


def deed(fact: Fact) -> tuple[str, str]:
    """What was done in an act, as a message says it, in Dutch and English."""
    return _DEEDS.get(fact.type, ("gemeld", "reported"))


def rule_order(rule: str) -> tuple[str, int, str]:
    """Rules in the order of their numbers."""
    prefix, _, number = rule.partition("-")
    return (prefix, int(number) if number.isdigit() else 0, number)


def same_day(one: datetime, other: datetime) -> bool:
    """Whether two moments fall on one day in Amsterdam."""
    return one == other or day_of(one) == day_of(other)
