"""A policy pack is a published privacy statement as data: every sentence a rule, every id with its label.

The structs here are the TOML file, table by table; an unknown key is an error. `Pack` is what the rest of the
program asks: lookups made once, when the pack is loaded, because sealing asks them for every event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias, final

from msgspec import Meta, Struct, field

from ledger.domain.calendar import Duration, duration
from ledger.policy.labels import Basis, DpvTerm, How, Id, Label, RuleId, SchemeLabel, Term, Text
from ledger.policy.law import Law

if TYPE_CHECKING:
    from ledger.policy.promises import Promise

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
CountryOrUnspecified = Annotated[str, Meta(pattern=r"^[A-Z]{2}$|^unspecified$")]
TermOrUnspecified = Annotated[str, Meta(pattern=r"^P[0-9]+[YMWD]$|^PT[0-9]+H$|^unspecified$")]

UNSPECIFIED: Final = "unspecified"
"""What a pack says where the statement is silent; it is shown to the auditor, never filled in by code."""

Unspecified: TypeAlias = Literal["unspecified"]
Values: TypeAlias = Literal["sealed", "not kept"]
Keeping: TypeAlias = Literal["sealed", "not kept", "prohibited", "unlisted"]

SPACES: Final = (
    "activity",
    "category",
    "channel",
    "class",
    "client",
    "condition",
    "control",
    "dataset",
    "duty",
    "milestone",
    "notice",
    "party",
    "purpose",
    "recipient",
    "role",
    "scheme",
    "service",
    "statute",
    "system",
    "version",
)
"""Every kind of id that an event may carry; `client` has no known ids, because clients are not listed in a statement."""


# --- the file of a statement ------------------------------------------------------------------------------------------

UNDECLARED: Final = "undeclared"
"""Where the values of an activity go that the pack does not know."""
UNLISTED: Final = "unlisted"
"""The dataset of categories that an activity does not list."""


class PartyLabel(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part that someone plays under the statement: the role, never the person's name."""

    same_person_as: Id | None = None


class RecipientLabel(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Someone data are shared with, for one service; `contract` is the kind that the share needs."""

    service: Id
    country: CountryOrUnspecified
    contract: Literal["processor", "subprocessor", "cooperation"] | Unspecified
    activities: tuple[Id, ...] = ()


class ControlLabel(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A control that the statement promises; `sweep` marks the one that a retention sweep executes."""

    every: TermOrUnspecified
    sweep: bool = False


class ParameterLabel(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something a client may set, within the bounds that the statement gives."""

    at_least: Term | None = None
    at_most: Term | None = None
    assumed: Text | None = None
    assumed_nl: Text | None = None


class Statement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which published text this is, in which reading of it.

    `sha256` is the digest of the source text (UTF-8), which stays outside the repository; `text` may name a
    copy of it beside the pack. `reading` counts corrections of the pack while the statement stays the same.
    """

    organisation: Id
    name: Text
    title: Text
    version: Text
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}$")]
    effective_from: date
    reading: Annotated[int, Meta(ge=1)]
    sha256: Digest
    effective_from_assumed: Text | None = None
    effective_from_assumed_nl: Text | None = None
    text: Text | None = None


class Open(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that the statement leaves open, and what applies instead."""

    about: Id
    nl: Text
    en: Text
    instead: Text
    instead_nl: Text | None = None


class ActivityRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One processing activity: a row of the register of Art. 30. `acts_as` processor: on behalf of a client."""

    id: Id
    nl: Text
    en: Text
    dpv: DpvTerm
    acts_as: Literal["controller", "processor"]
    purposes: tuple[Id, ...]
    systems: tuple[Id, ...] = ()
    locations: tuple[Text, ...] | Unspecified = UNSPECIFIED
    roles: tuple[Id, ...] | Unspecified = UNSPECIFIED
    rules: tuple[RuleId, ...] = ()
    assumed: Text | None = None
    assumed_nl: Text | None = None


class Retention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a dataset is kept, in words; the arithmetic stands in the promises with the same rules.

    `ends`: by a term, when a milestone is reached, by criteria without a term, by what the client set, or unspecified.
    """

    nl: Text
    en: Text
    ends: Literal["term", "milestone", "criteria", "client", "unspecified"]
    rules: tuple[RuleId, ...] = ()
    then: Literal["erase", "anonymise"] = "erase"
    assumed: Text | None = None
    assumed_nl: Text | None = None


class Dataset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Categories of an activity that are kept and erased together: one retention, one key per person.

    `values`: whether the ledger keeps values under seal or only that a category was collected; `not_kept`
    names the categories for which it never does. None: nobody chose, which lint reports; treated as sealed.
    `bases` is what the statement says, the default first; `consent_by_use` is the rule by which it claims consent
    from mere use, which is no consent; `interest` the legitimate interest that it names. `purposes_of` and `classes_of` narrow purposes and classes per category.
    """

    id: Id
    activity: Id
    nl: Text
    en: Text
    dpv: DpvTerm
    categories: tuple[Id, ...]
    classes: tuple[Id, ...]
    purposes: tuple[Id, ...]
    bases: tuple[Basis, ...] | Unspecified
    retention: Retention
    rules: tuple[RuleId, ...]
    values: Values | None = None
    not_kept: tuple[Id, ...] = ()
    consent_by_use: RuleId | None = None
    interest: Text | None = None
    assumed: Text | None = None
    assumed_nl: Text | None = None
    purposes_of: dict[str, tuple[Id, ...]] = field(default_factory=dict)
    classes_of: dict[str, tuple[Id, ...]] = field(default_factory=dict)


class Prohibited(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data that the statement says are not kept: their values are dropped before anything is sealed.

    `classes` empty means everyone; `unclassed` also covers people whose class is not given or not known.
    """

    activity: Id
    categories: tuple[Id, ...]
    rule: RuleId
    classes: tuple[Id, ...] = ()
    unclassed: bool = False
    schemes: tuple[Id, ...] = ()


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One promise of the statement: where it stands, what it means, and how it is judged.

    `words` occur exactly once in the source text, and so do the words in `more`, which place the rule in further
    sentences; `contradicts` names rules that cannot be kept beside it. `how`: by event, by clock, when the pack is loaded, as the
    exception to another rule, or not at all (`none`, with the reason). `assumed` is the default that was chosen
    where the words can be read in two ways; `changes` is what would change it. `doubt` is what is weak in the
    sentence itself, however it is read.
    """

    id: RuleId
    words: Text
    how: How
    nl: Text
    en: Text
    law: Text | None = None
    reason: Text | None = None
    assumed: Text | None = None
    changes: Text | None = None
    doubt: Text | None = None
    reason_nl: Text | None = None
    assumed_nl: Text | None = None
    changes_nl: Text | None = None
    doubt_nl: Text | None = None
    contradicts: tuple[RuleId, ...] = ()
    more: tuple[Text, ...] = ()


class PackFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The TOML file of a statement, without its promises."""

    statement: Statement
    rules: tuple[Rule, ...] = field(name="rule", default=())
    activities: tuple[ActivityRow, ...] = field(name="activity", default=())
    datasets: tuple[Dataset, ...] = field(name="dataset", default=())
    parties: dict[str, PartyLabel] = field(default_factory=dict)
    categories: dict[str, Label] = field(default_factory=dict)
    classes: dict[str, Label] = field(default_factory=dict)
    purposes: dict[str, Label] = field(default_factory=dict)
    roles: dict[str, Label] = field(default_factory=dict)
    systems: dict[str, Label] = field(default_factory=dict)
    milestones: dict[str, Label] = field(default_factory=dict)
    consents: dict[str, Label] = field(default_factory=dict)
    recipients: dict[str, RecipientLabel] = field(default_factory=dict)
    services: dict[str, Label] = field(default_factory=dict)
    controls: dict[str, ControlLabel] = field(default_factory=dict)
    duties: dict[str, Label] = field(default_factory=dict)
    parameters: dict[str, ParameterLabel] = field(default_factory=dict)
    schemes: dict[str, SchemeLabel] = field(default_factory=dict)
    notices: dict[str, Label] = field(default_factory=dict)
    prohibited: tuple[Prohibited, ...] = ()
    open: tuple[Open, ...] = ()


# --- what the rest of the program asks --------------------------------------------------------------------------------


class Activity(ActivityRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A processing activity with its datasets by id."""

    datasets: dict[str, Dataset] = field(default_factory=dict)


@final
class Pack:
    """One statement in one reading, with every question that is asked per event answered by one lookup.

    `datasets` are by id: within an organisation a dataset id belongs to one activity. `earlier` are the versions of the
    statement that this one took the place of, oldest first: they judge what happened in their time.
    """

    __slots__ = (
        "_datasets_of",
        "_keeping",
        "_known",
        "_prohibited_schemes",
        "activities",
        "datasets",
        "earlier",
        "file",
        "law",
        "promises",
        "rules",
    )

    def __init__(
        self, file: PackFile, law: Law, promises: tuple[Promise, ...] = (), earlier: tuple[Pack, ...] = ()
    ) -> None:
        self.file: Final = file
        self.law: Final = law
        self.promises: Final = promises
        self.earlier: Final = earlier
        self.rules: Final[Mapping[str, Rule]] = MappingProxyType({rule.id: rule for rule in file.rules})
        self.datasets: Final[Mapping[str, Dataset]] = MappingProxyType({row.id: row for row in file.datasets})
        self.activities: Final[Mapping[str, Activity]] = MappingProxyType(
            {row.id: _activity(row, file) for row in file.activities}
        )
        self._known: Final = _known(file, law)
        self._datasets_of: Final = {
            activity.id: MappingProxyType(
                {category: row.id for row in activity.datasets.values() for category in row.categories}
            )
            for activity in self.activities.values()
        }
        self._keeping: Final = _keeping(file)
        self._prohibited_schemes: Final = {
            (row.activity, class_, scheme)
            for row in file.prohibited
            for class_ in _classes(row, file)
            for scheme in row.schemes
        }

    @property
    def organisation(self) -> str:
        """The id of the organisation whose statement this is."""
        return self.file.statement.organisation

    @property
    def name(self) -> str:
        """The organisation's name as it publishes it."""
        return self.file.statement.name

    @property
    def version(self) -> str:
        """The version of the statement."""
        return self.file.statement.version

    @property
    def effective_from(self) -> date:
        """The first day (Europe/Amsterdam) on which the statement binds acts."""
        return self.file.statement.effective_from

    def known(self, space: str) -> frozenset[str]:
        """The ids of a space that pack or contract lists; KeyError for a space that is none of SPACES."""
        return self._known[space]

    def datasets_of(self, activity: str) -> Mapping[str, str]:
        """Category -> dataset id for an activity; empty for an activity that the pack does not have."""
        return self._datasets_of.get(activity, _NOTHING)

    def dataset_of(self, activity: str, category: str) -> str | None:
        """The dataset in which an activity keeps a category; None when it lists no such category."""
        return self.datasets_of(activity).get(category)

    def keeping(self, activity: str, category: str, class_: str | None) -> Keeping:
        """What becomes of a value: sealed, not kept, prohibited (dropped and judged) or sealed as unlisted."""
        of_class = self._keeping.get((activity, class_ if class_ in self._known["class"] else None), _NOTHING_KEPT)
        return of_class.get(category, "unlisted")

    def prohibits_identifier(self, activity: str, scheme: str, class_: str | None) -> bool:
        """Whether the statement says that such an identifier of such a person is not kept at all."""
        return (
            bool(self._prohibited_schemes)
            and (activity, class_ if class_ in self._known["class"] else None, scheme) in self._prohibited_schemes
        )

    def bases_of(self, activity: str, category: str) -> tuple[str, ...]:
        """The bases that the statement gives for a category, the default first; empty when it states none."""
        dataset = self.dataset_of(activity, category)
        bases = self.datasets[dataset].bases if dataset is not None else UNSPECIFIED
        return () if isinstance(bases, str) else bases

    def scheme(self, scheme: str) -> SchemeLabel | None:
        """How an identifier scheme is read here; the pack's own word before the contract's."""
        return self.file.schemes.get(scheme) or self.law.file.schemes.get(scheme)

    def is_strong(self, scheme: str) -> bool:
        """Whether identifiers of this scheme belong to one person; a scheme that nobody lists does."""
        found = self.scheme(scheme)
        return found is None or found.strong

    @property
    def sweep_control(self) -> str | None:
        """The control that a retention sweep executes, when the statement promises one."""
        return next((id_ for id_, control in self.file.controls.items() if control.sweep), None)

    @property
    def sweep_every(self) -> Duration | None:
        """How often the statement promises that check; None where it promises none."""
        control = None if self.sweep_control is None else self.file.controls[self.sweep_control]
        return None if control is None else duration(control.every)

    def label(self, space: str, id_: str) -> Label | None:
        """The label of an id of a space, from the pack or else from the law; None for one that neither knows."""
        for labels in _labels(self.file, self.law).get(space, ()):
            if id_ in labels:
                return labels[id_]
        return None


class Packs(Mapping[str, Pack]):
    """The packs at hand, by organisation: the newest version of its statement, which knows the earlier ones.

    Two packs that take effect on one day are two readings of one version: the newer reading is taken.
    """

    def __init__(self, packs: Iterable[Pack]) -> None:
        versions: dict[str, dict[date, Pack]] = {}
        for pack in sorted(packs, key=lambda pack: (pack.effective_from, pack.file.statement.reading)):
            versions.setdefault(pack.organisation, {})[pack.effective_from] = pack
        self._packs = {organisation: _newest(tuple(found.values())) for organisation, found in versions.items()}

    def __getitem__(self, organisation: str) -> Pack:
        """The newest pack of an organisation; KeyError when there is none."""
        return self._packs[organisation]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._packs))

    def __len__(self) -> int:
        return len(self._packs)


def _newest(versions: tuple[Pack, ...]) -> Pack:
    last = versions[-1]
    return last if len(versions) == 1 else Pack(last.file, last.law, last.promises, versions[:-1])


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_NOTHING_KEPT: Final[Mapping[str, Keeping]] = MappingProxyType({})


def _activity(row: ActivityRow, file: PackFile) -> Activity:
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    return Activity(**fields, datasets={dataset.id: dataset for dataset in file.datasets if dataset.activity == row.id})


def _labels(file: PackFile, law: Law) -> dict[str, tuple[Mapping[str, Label], ...]]:
    """The tables that name the ids of each space, the pack's own first."""
    under = law.file
    return {
        "category": (file.categories,),
        "channel": (under.channels,),
        "class": (file.classes,),
        "condition": (under.conditions,),
        "control": (file.controls,),
        "duty": (file.duties, under.duties),
        "milestone": (file.milestones,),
        "notice": (file.notices, under.notices),
        "party": (file.parties, file.recipients),
        "purpose": (file.purposes, file.consents),
        "recipient": (file.recipients,),
        "role": (file.roles,),
        "scheme": (file.schemes, under.schemes),
        "service": (file.services,),
        "system": (file.systems,),
    }


def _known(file: PackFile, law: Law) -> dict[str, frozenset[str]]:
    known = {space: frozenset(id_ for table in tables for id_ in table) for space, tables in _labels(file, law).items()}
    return known | {
        "activity": frozenset(row.id for row in file.activities),
        "client": frozenset(),
        "dataset": frozenset(row.id for row in file.datasets),
        "party": frozenset({"subject", *file.recipients}),
        "statute": frozenset({*law.file.statutes, *(name for row in law.file.statutes.values() for name in row.also)}),
        "version": frozenset({file.statement.version}),
    }


def _classes(row: Prohibited, file: PackFile) -> Iterable[str | None]:
    """The classes that a prohibition covers; None stands for a class that is not given or not known."""
    if not row.classes:
        return (*file.classes, None)
    return (*row.classes, None) if row.unclassed else row.classes


def _keeping(file: PackFile) -> dict[tuple[str, str | None], dict[str, Keeping]]:
    """What becomes of values, for every activity and class (None: not given or not known)."""
    kept: dict[tuple[str, str | None], dict[str, Keeping]] = {}
    for activity in file.activities:
        listed = {
            category: _choice(row, category)
            for row in file.datasets
            if row.activity == activity.id
            for category in row.categories
        }
        kept |= {(activity.id, class_): dict(listed) for class_ in (*file.classes, None)}
    for row in file.prohibited:
        for class_ in _classes(row, file):
            kept[row.activity, class_].update(dict.fromkeys(row.categories, "prohibited"))
    return kept


def _choice(row: Dataset, category: str) -> Keeping:
    if row.values == "not kept" or category in row.not_kept:
        return "not kept"
    return "sealed"
