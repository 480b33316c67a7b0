"""Every sentence of the published protocol that the notes on it mark has a test that cites it.

A place is a section of the notes and the number of the mark in it. The notes lie beside
this checkout, where they lie at all; the tests that are named are looked for either way.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

TESTS = Path(__file__).resolve().parents[1]
NOTES = TESTS.parents[1] / "shared" / "protocol.md"

Place = tuple[str, int]

CITED: Final[Mapping[Place, tuple[str, ...]]] = {
    ("1.1", 1): (
        "authority/operations/test_balances.py::test_a_balance_adds_up",
        "authority/operations/test_balances.py::test_a_balance_in_debt_adds_up",
    ),
    ("1.2", 1): ("authority/operations/test_reserve.py::test_a_hold_is_in_every_budgeted_scope",),
    ("1.2", 2): (
        "authority/operations/test_listing.py::test_a_row_is_read_back_as_it_was_written",
    ),
    ("1.3", 1): (
        "authority/operations/test_reserve.py::test_a_live_denial_is_an_error_and_holds_nothing",
    ),
    ("1.4", 1): (
        "authority/operations/test_settle.py"
        "::test_the_overage_rule_is_that_of_the_request_or_the_default",
    ),
    ("1.9", 1): (
        "authority/operations/test_decide.py::test_debt_that_no_limit_permits_is_a_reason",
    ),
    ("1.11", 1): (
        "authority/operations/test_replays.py::test_keys_of_two_tenants_do_not_meet",
        "authority/operations/test_decide.py"
        "::test_a_question_and_a_reservation_may_have_the_same_key",
    ),
    ("1.13", 1): ("ledger/contract/budgets/test_funds.py::test_funding_repays_debt_first",),
}
"""The tests of each marked sentence."""


def marked_places(notes: str) -> Iterator[Place]:
    """Where the first chapter of the notes has a mark, in its order."""
    chapter = notes.partition("\n## 1. ")[2].partition("\n## ")[0]
    section, number = "1", 0
    for line in chapter.splitlines():
        heading = re.match(r"### (1\.\d+)\b", line)
        if heading:
            section, number = heading[1], 0
        for _ in re.findall(r"\[spec\b", line):
            number += 1
            yield section, number


def docstring_of(test: str) -> str:
    """What a test says of itself. Fails where there is no such test."""
    file, _, name = test.partition("::")
    for node in ast.parse((TESTS / file).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return ast.get_docstring(node) or ""
    pytest.fail(f"{file} has no {name}")


def test_every_marked_sentence_has_a_test() -> None:
    if not NOTES.is_file():
        pytest.skip("NOT CHECKED: the notes on the protocol do not lie beside this checkout")
    places = list(marked_places(NOTES.read_text("utf-8")))
    assert places, "the notes have no marks in their first chapter"
    assert sorted(places) == sorted(CITED)


@pytest.mark.parametrize(
    ("place", "test"),
    [(place, test) for place, tests in CITED.items() for test in tests],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_named_test_exists_and_cites_its_sentence(place: Place, test: str) -> None:
    section, _ = place
    docstring = docstring_of(test)
    assert "[spec]" in docstring
    assert re.search(rf"§{re.escape(section)}(?!\d)", docstring), f"{test} does not cite §{section}"


def test_marks_are_counted_by_section() -> None:
    notes = (
        "\n## 0. Before\n[spec] a\n## 1. Rules\n"
        "### 1.1 One [spec]\nb [spec, MUST] and [spec: MAY]\n"
        "### 1.10 Ten\n[ref] c\n[spec] d\n## 2. After\n[spec] e\n"
    )
    assert list(marked_places(notes)) == [("1.1", 1), ("1.1", 2), ("1.1", 3), ("1.10", 1)]
