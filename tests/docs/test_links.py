"""Every link of the documentation leads somewhere, and every page can be found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.texts import ROOT, anchors, links, name_of, pages


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_relative_link_resolves(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        there = target.exists() and target.is_relative_to(ROOT)
        if not there or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_of_docs_is_reached_from_its_index() -> None:
    index = ROOT / "docs" / "README.md"
    reached, front = {index}, [index]
    while front:
        page = front.pop()
        targets = {
            (page.parent / link.partition("#")[0]).resolve() for link in links(page) if not re.match(r"[a-z]+:|#", link)
        }
        fresh = {target for target in targets if target.suffix == ".md" and target.is_file()} - reached
        reached |= fresh
        front += sorted(fresh)
    assert sorted(name_of(page) for page in (ROOT / "docs").rglob("*.md") if page not in reached) == []


def test_no_page_names_a_machine_path_or_a_person_of_a_statement() -> None:
    wrong = re.compile(r"/(home|root|work|Users)/[a-z]|localhost:\d{4}/simple")
    assert [name_of(page) for page in pages() if wrong.search(page.read_text("utf-8"))] == []
