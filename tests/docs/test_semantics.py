"""docs/semantics.md against the code it speaks of."""

import re

from pricing.bound import BoundClass
from proxy.domain.decision import Decision
from proxy.domain.reservation import State
from tests.docs.pages import ROOT, code, page, read, section, table

TEXT = page("semantics.md")
_HEADER = re.compile(r"\"(X-Budget-[A-Za-z-]+|X-Cycles-(?:Trace-Id|Evidence))\"")


def test_every_header_of_an_answer_has_a_row() -> None:
    sent = {
        name
        for file in (ROOT / "proxy" / "gateway").rglob("*.py")
        for name in _HEADER.findall(read(file))
    }
    documented = {code(row["header"]) for row in table(section(TEXT, "Headers"), "header")}
    assert documented == sent


def test_every_class_of_bound_has_a_row() -> None:
    rows = table(section(TEXT, "The hold is a bound"), "class")
    assert [code(row["class"]) for row in rows] == list(BoundClass)


def test_every_state_and_decision_is_named() -> None:
    life = section(TEXT, "The life of a hold")
    assert all(state in life for state in State)
    assert all(f"`{decision}`" in TEXT for decision in Decision)
