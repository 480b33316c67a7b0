"""YAML as people write it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.source import Document, read_document

ENV = {"KEY": "sk-secret", "EMPTY": "", "TRICKY": "x}, admin: {y: z", "NUMBER": "12"}


def read(text: str) -> Document:
    return read_document(text, file="f", env=ENV)


def value(text: str) -> object:
    document = read(text)
    assert document.findings == []
    return document.value


def problems(text: str) -> list[str]:
    return [finding.problem for finding in read(text).findings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: ${KEY}", "sk-secret"),
        ('a: "Bearer ${KEY}!"', "Bearer sk-secret!"),
        ("a: ${KEY}/${NUMBER}", "sk-secret/12"),
        ("a: ${ABSENT:-default}", "default"),
        ("a: ${EMPTY:-default}", "default"),
        ("a: ${KEY:-default}", "sk-secret"),
        ("a: ${ABSENT:-}", ""),
        ("a: ${EMPTY}", ""),
        ("a: $100.00", "$100.00"),
        ("a: $KEY", "$KEY"),
        ("a: ${TRICKY}", "x}, admin: {y: z"),
    ],
)
def test_references_are_filled_in_like_in_a_shell(text: str, expected: str) -> None:
    assert value(text) == {"a": expected}


def test_a_key_is_never_filled_in() -> None:
    assert value('"${KEY}": 1') == {"${KEY}": 1}


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    document = read_document("a: ${OUTER}", file="f", env={"OUTER": "${INNER}", "INNER": "x"})

    assert document.value == {"a": "${INNER}"}


@pytest.mark.parametrize(
    "text", ["a: ${", "a: ${}", "a: ${1X}", "a: ${KEY-x}", "a: ${KEY", "a: '${a b}'"]
)
def test_a_broken_reference_is_a_finding(text: str) -> None:
    assert problems(text) == ['"${" without a name']


def test_a_missing_variable_is_named_with_its_line() -> None:
    (finding,) = read("a: 1\nb:\n  - ${ABSENT}").findings

    assert str(finding) == (
        "f:3: b[0]: the environment variable ABSENT is not set (accepted: ${ABSENT:-default})"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1", Decimal("0.1")),
        ("1_000.50", Decimal("1000.50")),
        ("-2.5e+3", Decimal("-2500")),
        (".inf", Decimal("Infinity")),
        ("-.INF", Decimal("-Infinity")),
        ("10", 10),
        ("0x10", 16),
        ("1_000", 1000),
        ("yes", True),
        ("~", None),
        ("2026-11-01", "2026-11-01"),
        ("2026-99-99", "2026-99-99"),
        ("'10'", "10"),
        ("127.0.0.1:7676", "127.0.0.1:7676"),
    ],
)
def test_scalars_are_exact(text: str, expected: object) -> None:
    result = value(f"a: {text}")

    assert result == {"a": expected}
    assert type(result) is dict
    assert type(result["a"]) is type(expected)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9))
def test_no_decimal_loses_a_digit(number: Decimal) -> None:
    assert value(f"a: {number:f}") == {"a": number}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "written twice, first in line 1"),
        ("a: {b: 1, b: 1}", "written twice, first in line 1"),
        ("a: &x 1\nb: *x", "not valid YAML: aliases (*name) are not accepted: write the value out"),
        ("a: &a [*a]", "not valid YAML: aliases (*name) are not accepted: write the value out"),
        ("a: !!python/object:os.system x", "a tag (!name), which is not accepted"),
        ("a: !!set {x}", "a tag (!name), which is not accepted"),
        ("a: !secret {b: c}", "a tag (!name), which is not accepted"),
        ("a: !secret [b, c]", "a tag (!name), which is not accepted"),
        ("1: x", "a key that is not text: put it in quotes"),
        ("no: x", "a key that is not text: put it in quotes"),
        ("[a]: x", "a key that is not text: put it in quotes"),
        ("<<: {a: 1}", "a key that is not text: put it in quotes"),
        ("a: 190:20:30.15", "not a number that can be read"),
        ("a: [1", "not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c", "not valid YAML: mapping values are not allowed here"),
        ("--- 1\n--- 2", "not valid YAML: but found another document"),
        ("a: \x01", "not valid YAML: it has characters that YAML does not allow"),
        ("[" * 10_000, "not valid YAML: nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_text_is_a_finding(text: str, problem: str) -> None:
    assert problems(text) == [problem]


@pytest.mark.parametrize("text", ["a: \x01", "[" * 10_000])
def test_a_text_that_is_wrong_as_a_whole_is_wrong_from_its_first_line(text: str) -> None:
    assert [finding.line for finding in read(text).findings] == [1]


def test_a_syntax_error_does_not_quote_the_line() -> None:
    """PyYAML's own message shows the line, and the line may hold a secret."""
    (finding,) = read('a: 1\nkey: "sk-secret" oops: [').findings

    assert finding.line == 2
    assert "sk-secret" not in str(finding)


def test_an_empty_text_is_no_value_and_no_finding() -> None:
    assert value("# only a comment") is None


def test_every_value_knows_its_line() -> None:
    document = read("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n")

    origin = document.origin
    assert origin.line_of(("a", "b")) == 2
    assert origin.line_of(("a", "c", 1, "d")) == 5
    assert origin.line_of(("a", "c", 1, "absent")) == 5
    assert origin.line_of(("absent",)) == 1


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text)
