"""Reading strictly, reading leniently, and editing without touching the rest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.wire.json_text import (
    MAX_DEPTH,
    encode,
    member,
    read_leniently,
    read_object,
    with_items,
    with_members,
)
from proxy.domain.errors import Reason, Refused

_KEYS = st.text(st.sampled_from('ab":\\ \u00e9{}'), max_size=4)
_SCALARS = st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('x":\\ {}[],'))
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)
_SPACE = st.sampled_from(["", " ", "\n", "\t\r\n "])


def _spelled(text: str, draw: st.DrawFn) -> str:
    """The string in JSON, in one of the ways it can be spelled."""
    if draw(st.booleans()):
        return json.dumps(text, ensure_ascii=False)
    units = text.encode("utf-16-be")
    escaped = "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
    return f'"{escaped}"'


def _written(value: Any, draw: st.DrawFn) -> str:
    """The value in JSON with space where it may be."""
    space = draw(_SPACE)
    if isinstance(value, dict):
        pairs = [f"{_spelled(k, draw)}{space}:{_written(v, draw)}" for k, v in value.items()]
        return f"{{{space}{','.join(pairs)}{space}}}"
    if isinstance(value, list):
        return f"[{','.join(_written(item, draw) for item in value)}{space}]"
    return _spelled(value, draw) if isinstance(value, str) else json.dumps(value)


@st.composite
def _objects(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    value = draw(st.dictionaries(_KEYS, _TREES, max_size=4))
    return value, _written(value, draw)


@st.composite
def _objects_with_a_repeated_key(draw: st.DrawFn) -> str:
    """An object somewhere inside which a key comes twice."""
    key = _spelled(draw(_KEYS), draw)
    again = draw(st.just(key) | st.builds(lambda: _spelled(json.loads(key), draw)))
    between = draw(st.sampled_from(["", '"k0":{"a":[]},', '"k0":"a\\":1,","k1":2,']))
    text = (
        f"{{{key}{draw(_SPACE)}:{_written(draw(_TREES), draw)},{between}"
        f"{again}{draw(_SPACE)}:{_written(draw(_TREES), draw)}}}"
    )
    for before, after in draw(
        st.lists(st.sampled_from([('{"in":', "}"), ("[1,", "]")]), max_size=3)
    ):
        text = before + text + after
    return f'{{"top":{text}}}'


@given(_objects())
def test_an_object_is_read_however_it_is_spelled(written: tuple[dict[str, Any], str]) -> None:
    value, text = written
    assert read_object(text.encode()) == value


@given(_objects_with_a_repeated_key())
def test_a_key_given_twice_is_found_at_any_depth_in_any_spelling(text: str) -> None:
    repeats: list[bool] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        repeats.append(len(dict(pairs)) < len(pairs))

    json.loads(text, object_pairs_hook=note)
    assert any(repeats)
    with pytest.raises(Refused, match="twice") as refusal:
        read_object(text.encode())
    assert refusal.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"a":1}x', "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b'{"a":"\\ud800"}', "not valid JSON"),
        (b'{"a":"\x01"}', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"a":' + b"1" * 5_000 + b"}", "not valid JSON"),
        (b'{"a":"\xff"}', "not valid UTF-8"),
        (b'{"\xc3":1}', "not valid UTF-8"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deeper than 128 levels"),
        (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "deeper than 128 levels"),
        (b'{"a":1,"a":1}', "twice"),
        (b'{"a":1,"\\u0061":1}', "twice"),
        (b'{"m":[{"b":{"c" :1,"c"\n:2}}]}', "twice"),
        (b'{"t":"\\":","a":1,"a":2}', "twice"),
        (b'{"t":"\\\\","a":1,"a":2}', "twice"),
    ],
)
def test_text_that_is_no_request_is_refused_with_what_is_wrong(text: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message) as refusal:
        read_object(text)
    assert refusal.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a":}', "The request body is not valid JSON: invalid character (byte 5)."),
        (b'{"a":"\xff"}', "The request body is not valid UTF-8."),
        (b"[]", "The request body must be a JSON object."),
        (
            b'{"a":' + b"[" * 200 + b"]" * 200 + b"}",
            "The request body nests deeper than 128 levels.",
        ),
        (b'{"a":1,"a":2}', "The request body gives a key twice in the same object."),
    ],
)
def test_a_refusal_reads_like_a_sentence(text: bytes, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_object(text)
    assert str(refusal.value) == message


def test_nesting_is_bounded_at_the_same_depth_everywhere() -> None:
    inside = MAX_DEPTH - 1
    assert read_object(b'{"a":' + b"[" * inside + b"]" * inside + b"}")
    with pytest.raises(Refused, match="deeper"):
        read_object(b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}")


def test_text_that_looks_like_a_repeated_key_is_only_text() -> None:
    fields = {"a": 'he said "a": 1, "a": 2', "b": '{"a":1,"a":2}', "c": "\\", "d": '":'}
    assert read_object(json.dumps(fields).encode()) == fields
    assert read_object(json.dumps(fields, indent=2).encode()) == fields


def test_a_number_that_we_do_not_read_is_no_reason_to_refuse() -> None:
    assert read_object(b'{"temperature":1e400}') == {"temperature": float("inf")}
    assert read_object(b'{"seed":123456789012345678901234567890}')["seed"] == int("1234567890" * 3)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":NaN,"b":1}', None),
        (b'\xef\xbb\xbf{"a":Infinity}', {"a": float("inf")}),
        (b'{"a":-Infinity}', {"a": float("-inf")}),
        (b'{"a":"\x01\n"}', {"a": "\x01\n"}),
        (b'{"a":"\xff"}', {"a": "\ufffd"}),
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
        (b"[" * 100_000, None),
        (b'{"a":' + b"9" * 5_000 + b"}", None),
        (b'{"a":', None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_what_upstreams_send_is_read_if_it_can_be(text: bytes, value: object) -> None:
    read = read_leniently(text)
    if b"NaN" in text:
        assert isinstance(read, dict)
        assert read["b"] == 1
    else:
        assert read == value


@given(st.binary(max_size=200))
def test_reading_leniently_never_fails(text: bytes) -> None:
    read_leniently(text)


def test_an_edit_keeps_the_bytes_of_every_other_value() -> None:
    text = (
        b' { "big" : 12345678901234567890.10 , "m" :"\\u0041 \\"m\\": 1", "odd":1e400,'
        b'\n"x":[1, 2 ] } '
    )
    edited = with_members(text, {"m": b"2", "x": None, "new": b'{"a": 1}'})
    assert edited == b'{"big":12345678901234567890.10,"m":2,"odd":1e400,"new":{"a": 1}}'


def test_removing_what_is_not_there_changes_nothing_else() -> None:
    assert with_members(b'{"a": 1 }', {"b": None}) == b'{"a":1}'


def test_items_that_are_kept_keep_their_bytes() -> None:
    assert with_items(b'[ {"a" : 1.50} , 2, "\\u0041"]', [True, False, True]) == (
        b'[{"a" : 1.50},"\\u0041"]'
    )
    with pytest.raises(ValueError, match="shorter"):
        with_items(b"[1,2]", [True])


def test_a_member_is_its_own_text() -> None:
    assert member(b'{"a": {"b" : 1e400}}', "a") == b'{"b" : 1e400}'
    with pytest.raises(KeyError):
        member(b"{}", "a")
    with pytest.raises(ValueError, match="array"):
        member(b"[]", "a")


def test_members_of_what_nests_without_measure_cannot_be_read() -> None:
    deep = b'{"usage": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(ValueError, match="too deep"):
        member(deep, "usage")
    with pytest.raises(ValueError, match="too deep"):
        with_members(deep, {"usage": None})


def test_encoding_is_compact() -> None:
    assert encode({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()
