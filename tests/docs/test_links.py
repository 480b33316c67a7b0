"""Pages, and what the code says about pages, lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, all_pages, anchors, headings, links, prose, read, table

_MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:work|home|root|Users|tmp|mnt|opt/wheels)\b")
_REFERENCE = re.compile(r"(docs/[\w/-]+\.md)(?:,\s+\"([^\"]+)\")?")
_SOURCES = ("proxy", "pricing", "simulator", "tests", "deploy")


each_page = pytest.mark.parametrize(
    "path", all_pages(), ids=lambda path: path.relative_to(ROOT).as_posix()
)


@each_page
def test_links_resolve(path: Path) -> None:
    for link in links(read(path)):
        if "://" in link:
            continue
        target, _, fragment = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{link}: there is no {file.name}"
        if fragment:
            assert fragment in anchors(read(file)), f"{link}: {file.name} has no such heading"


@each_page
def test_a_page_has_one_title_and_no_heading_twice(path: Path) -> None:
    text = prose(read(path))
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    if path.name not in ("CHANGELOG.md", "configuration.md"):
        found = headings(text)
        assert len(found) == len(set(found))


@each_page
def test_no_page_names_the_path_of_a_machine(path: Path) -> None:
    assert _MACHINE_PATH.findall(read(path)) == []


def test_pages_that_the_sources_refer_to_are_there_with_their_headings() -> None:
    missing = []
    for file in (path for root in _SOURCES for path in (ROOT / root).rglob("*")):
        if file.suffix not in (".py", ".yaml", ".yml", ".md") or "node_modules" in file.parts:
            continue
        for name, quoted in _REFERENCE.findall(read(file)):
            target, heading = ROOT / name, " ".join(quoted.split())
            if not target.exists() or (heading and heading not in headings(read(target))):
                missing.append((file.relative_to(ROOT).as_posix(), name, heading))
    assert missing == []


def test_every_decision_is_in_the_index_once() -> None:
    index = DOCS / "decisions" / "README.md"
    listed = [links(row["decision"])[0] for row in table(read(index), "decision")]
    there = {path.name for path in index.parent.glob("*.md")} - {"README.md"}
    assert sorted(listed) == sorted(there)
