"""Our schemas and the published ones accept the same values."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.cycles_wire import errors, requests, responses, schemas
from proxy.cycles_wire.reading import MalformedRequest, read_request
from proxy.domain.money import INT64_MAX, INT64_MIN
from tests.cycles_wire import drawing
from tests.cycles_wire.published import needs_document, resolved, schema, validator

pytestmark = needs_document

OURS: dict[str, type[schemas.Schema]] = {
    kind.__name__: kind
    for module in (schemas, requests, responses, errors)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, schemas.Schema) and kind is not schemas.Schema
}
REQUESTS = sorted(name for name in OURS if name.endswith("Request"))
FEW = settings(max_examples=25)


def test_every_schema_of_ours_is_a_published_one() -> None:
    assert len(OURS) == 24
    for name in OURS:
        assert schema(name)["type"] == "object"


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_fields_are_the_published_ones(name: str) -> None:
    (reference,), components = msgspec.json.schema_components([OURS[name]])
    ours = components[name]
    published = schema(name)
    assert reference
    assert ours["additionalProperties"] is published["additionalProperties"] is False
    assert set(ours["properties"]) == set(published["properties"]) - drawing.NOT_SERVED
    for member, part in published["properties"].items():
        if "default" in part:
            assert ours["properties"][member]["default"] == part["default"]


@pytest.mark.parametrize("name", sorted(OURS))
@FEW
@given(data=st.data())
def test_accepted_there_is_accepted_here(name: str, data: st.DataObject) -> None:
    value = data.draw(drawing.accepted(schema(name)))
    assert validator(name).is_valid(value)
    assert is_accepted(name, value)


@pytest.mark.parametrize("name", sorted(OURS))
@FEW
@given(data=st.data())
def test_a_value_that_is_not_quite_right_is_judged_alike(name: str, data: st.DataObject) -> None:
    value = data.draw(drawing.nearly(schema(name)))
    assert is_accepted(name, value) == (validator(name).is_valid(value) and fits(value))


@pytest.mark.parametrize("name", REQUESTS)
@FEW
@given(data=st.data())
def test_a_request_is_read_as_what_it_says(name: str, data: st.DataObject) -> None:
    value = data.draw(drawing.accepted(schema(name)))
    read = msgspec.to_builtins(read_request(msgspec.json.encode(value), OURS[name]))
    defaults = {
        member: resolved(part).get("default", part.get("default"))
        for member, part in schema(name)["properties"].items()
        if "default" in part
    }
    assert read == defaults | value


@pytest.mark.parametrize(
    ("amount", "is_ours"),
    [
        (0, True),
        (INT64_MAX, True),
        (INT64_MAX + 1, False),
        (-1, False),
        (1.0, False),
        (True, False),
        ("1", False),
        (None, False),
    ],
)
def test_an_amount_is_an_integer_of_64_bits(amount: Any, is_ours: bool) -> None:
    """The published document says format int64; ours says so in a way that is checked."""
    assert is_accepted("Amount", {"unit": "TOKENS", "amount": amount}) is is_ours


@pytest.mark.parametrize("amount", [INT64_MIN, INT64_MAX])
def test_what_remains_may_be_below_zero(amount: int) -> None:
    assert is_accepted("SignedAmount", {"unit": "TOKENS", "amount": amount})


@given(st.sampled_from(REQUESTS), st.binary(max_size=40))
@example("CommitRequest", b"")
def test_bytes_that_are_no_request_are_refused(name: str, body: bytes) -> None:
    with pytest.raises(MalformedRequest, match=r"^The body "):
        read_request(body, OURS[name])


def is_accepted(name: str, value: Any) -> bool:
    try:
        kind = OURS[name]
        tag = kind.__struct_config__.tag
        if tag is not None and isinstance(value, dict) and "status" not in value:
            return False  # it is only ever written, and then always there
        msgspec.json.decode(msgspec.json.encode(value), type=kind)
    except msgspec.ValidationError:
        return False
    return True


def fits(value: Any) -> bool:
    """Whether integers are of 64 bits and times from 1970 on, which no published schema says."""
    if isinstance(value, dict):
        times = [inner for name, inner in value.items() if name.endswith("_ms")]
        is_past = any(isinstance(time, int) and time < 0 for time in times)
        return not is_past and all(map(fits, value.values()))
    if isinstance(value, list):
        return all(map(fits, value))
    return not isinstance(value, int) or INT64_MIN <= value <= INT64_MAX
