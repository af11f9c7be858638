"""The letter that confirms an erasure to the person, in plain Dutch and English, written before the keys are destroyed.

GDPR Art. 12(1): concise, plain language; Art. 12(3): what was done; Art. 12(4) and 77: where to complain; Art. 19:
which recipients were told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple


class Words(NamedTuple):
    """One thing in both languages."""

    nl: str
    en: str


class Stays(NamedTuple):
    """A dataset that stays: its name, the statute, and until when (ISO date, "" for not known)."""

    dataset: Words
    statute: str
    until: str


class Letter(NamedTuple):
    """What the letter is made from. `address` are the lines that the person is known by."""

    organisation: str
    case: str
    day: date
    address: Sequence[str]
    erased: Sequence[Words]
    stays: Sequence[Stays]
    systems: Sequence[str]
    recipients: Sequence[str]


def letter(about: Letter) -> dict[str, str]:
    """The letter by language (nl, en)."""
    return {"nl": _dutch(about), "en": _english(about)}


def _dutch(about: Letter) -> str:
    parts = [
        "\n".join((about.organisation, *about.address)),
        f"Datum: {about.day.isoformat()}\nKenmerk: {about.case}",
        "Onderwerp: wij hebben uw gegevens gewist",
        "Wij hebben gegevens van u gewist. Het gaat om:\n" + _list(words.nl for words in about.erased),
    ]
    if about.stays:
        parts.append(
            "Deze gegevens moeten wij nog bewaren:\n"
            + _list(
                f"{row.dataset.nl}, vanwege {row.statute}{f', tot en met {row.until}' if row.until else ''}"
                for row in about.stays
            )
        )
    if about.systems:
        parts.append("Wij hebben deze systemen opdracht gegeven hun kopie te wissen:\n" + _list(about.systems))
    parts.append(
        "Wij hebben uw gegevens eerder gedeeld met de volgende ontvangers. Wij laten hun weten dat zij gewist moeten worden:\n"
        + _list(about.recipients)
        if about.recipients
        else "Wij hebben deze gegevens niet met anderen gedeeld."
    )
    parts.append(
        "Hebt u vragen? Neem dan contact met ons op en noem het kenmerk hierboven. Bent u het niet met ons eens, dan kunt u "
        "een klacht indienen bij de Autoriteit Persoonsgegevens (autoriteitpersoonsgegevens.nl) of naar de rechter gaan."
    )
    return "\n\n".join(parts) + "\n"


def _english(about: Letter) -> str:
    parts = [
        "\n".join((about.organisation, *about.address)),
        f"Date: {about.day.isoformat()}\nReference: {about.case}",
        "Subject: we have erased your data",
        "We have erased data about you. These are:\n" + _list(words.en for words in about.erased),
    ]
    if about.stays:
        parts.append(
            "We still have to keep these data:\n"
            + _list(
                f"{row.dataset.en}, because of {row.statute}{f', up to and including {row.until}' if row.until else ''}"
                for row in about.stays
            )
        )
    if about.systems:
        parts.append("We have ordered these systems to erase their copy:\n" + _list(about.systems))
    parts.append(
        "We shared your data with the following recipients before. We let them know that the data must be erased:\n"
        + _list(about.recipients)
        if about.recipients
        else "We have not shared these data with others."
    )
    parts.append(
        "Do you have questions? Contact us and mention the reference above. If you disagree with us, you can lodge a complaint "
        "with the Dutch data protection authority (autoriteitpersoonsgegevens.nl) or go to court."
    )
    return "\n\n".join(parts) + "\n"


def _list(rows: Iterable[str]) -> str:
    return "\n".join(f"- {row}" for row in rows)
