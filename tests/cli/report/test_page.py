"""The page opens without a network, and nothing that a caller named is markup in it."""

from collections import Counter
from html.parser import HTMLParser

import pytest

from proxy.cli.report.card import Grades, Kind
from proxy.cli.report.page import page_of, plot_of

KIND = Kind("gpt-4o", "chat", "exact", "worst_case")
EVIL = '"><script src="https://evil.example/x.js"></script>'


class Reader(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def grades(*calls: tuple[int, int]) -> Grades:
    made = Grades()
    for held, actual in calls:
        made.add(held=held, actual=actual)
    return made


def test_a_kind_of_calls_has_its_facts_and_its_plot() -> None:
    read = Reader(page_of({KIND: grades((1_000, 250), (1_000, 1_000))}, made_at="now"))

    assert "gpt-4o at chat: exact bound, worst_case hold" in read.text
    assert "the bound held for 100.0%" in read.text
    assert len(read.of("svg")) == 1
    assert len(read.of("rect")) == 2
    assert not any("class" in bar for bar in read.of("rect"))
    assert read.of("p")[-1].get("class") is None


def test_a_bound_that_was_none_is_told_and_stands_apart() -> None:
    read = Reader(page_of({KIND: grades((1_000, 1_001), (1_000, 90_000))}, made_at="now"))

    assert "2 calls came to more than the hold" in read.text
    assert [bar.get("class") for bar in read.of("rect")] == ["over", "over"]


@pytest.mark.parametrize(
    ("ratio", "place"), [(1, 0), (50, 0), (51, 1), (1_000, 19), (1_001, 20), (10_000, 23), (0, 0)]
)
def test_a_call_is_drawn_where_its_ratio_is(ratio: int, place: int) -> None:
    (bar,) = Reader(plot_of(Counter({ratio: 3}))).of("rect")

    assert bar["x"] == str(20 * place + 1)
    assert bar["height"] == "120"


def test_the_least_bar_is_seen() -> None:
    bars = Reader(plot_of(Counter({100: 100_000, 900: 1}))).of("rect")

    assert [bar["height"] for bar in bars] == ["120", "1"]


def test_names_of_models_are_no_markup_and_nothing_is_fetched() -> None:
    page = page_of({KIND._replace(model=EVIL): grades((1_000, 2_000))}, made_at=EVIL)
    read = Reader(page)

    assert EVIL in read.text
    assert {tag for tag, _ in read.elements} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "svg", "rect", "line",
        "text",
    }  # fmt: skip
    assert not any({"src", "href"} & attributes.keys() for _, attributes in read.elements)


def test_without_calls_it_says_so() -> None:
    assert "No call has been charged" in page_of({}, made_at="now")


def test_calls_that_were_estimated_alone_have_no_plot() -> None:
    assert Reader(page_of({KIND: Grades(estimated=3)}, made_at="now")).of("svg") == []
