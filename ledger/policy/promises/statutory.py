"""What the law asks whatever a statement says; a statement's own rule may stand in the article's place."""

from __future__ import annotations

from typing import Literal

from ledger.policy.promises.base import PromiseBase


class Statutory(PromiseBase, frozen=True, kw_only=True, tag="statutory"):
    """One article that needs no parameter beside a term; `rule` may name the statement's own rule."""

    article: Literal[
        "18(2)", "19", "28(2)", "33(1)", "33(2)", "34(1)", "44", "17(3)", "8(1)", "6(1)-public", "17(1)-erased"
    ]
    term: str | None = None
