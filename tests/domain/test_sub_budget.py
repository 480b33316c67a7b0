"""Limits of sub-budgets, and caps that meet: nothing ever widens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.decision import Caps
from proxy.domain.sub_budget import NOBODYS, UNLIMITED, Limits

NAMES = st.lists(st.sampled_from("abc"), max_size=3).map(tuple)
CEILINGS = st.none() | st.integers(0, 9)
CAPS = st.builds(Caps, max_tokens=CEILINGS, tool_allowlist=NAMES, tool_denylist=NAMES)


def test_a_model_is_in_every_list() -> None:
    outer = UNLIMITED.narrowed(models=["gpt-*", "o3"], tools=(), max_tokens=None)
    inner = outer.narrowed(models=["*-mini"], tools=(), max_tokens=None)
    assert [name for name in ("gpt-4o", "o3", "o1") if outer.allows_model(name)] == ["gpt-4o", "o3"]
    assert inner.allows_model("gpt-4o-mini")
    assert not inner.allows_model("gpt-4o")
    assert not inner.allows_model("o3-mini")
    assert inner.narrowed(models=(), tools=(), max_tokens=None) == inner
    assert UNLIMITED.allows_model("anything")


def test_ceilings_and_tools_narrow() -> None:
    outer = UNLIMITED.narrowed(models=(), tools=["web", "mail"], max_tokens=80)
    inner = outer.narrowed(models=(), tools=["mail", "db"], max_tokens=90)
    assert inner == Limits(tools=("mail",), max_tokens=80)
    assert outer.narrowed(models=(), tools=(), max_tokens=7) == Limits((), ("web", "mail"), 7)
    with pytest.raises(ValueError, match="None of the tools"):
        outer.narrowed(models=(), tools=["db"], max_tokens=None)
    assert inner.caps == Caps(max_tokens=80, tool_allowlist=("mail",))
    assert UNLIMITED.caps == Caps()


@given(CAPS, CAPS)
def test_caps_that_meet_allow_what_both_allow(one: Caps, other: Caps) -> None:
    allowed = [name for name in "abcd" if one.allows_tool(name) and other.allows_tool(name)]
    try:
        both = one.within(other)
    except ValueError:
        assert not allowed
        return
    assert [name for name in "abcd" if both.allows_tool(name)] == allowed
    ceilings = [caps.max_tokens for caps in (one, other) if caps.max_tokens is not None]
    assert both.max_tokens == min(ceilings, default=None)
    assert one.within(Caps()).max_tokens == one.max_tokens


async def test_a_ledger_without_sub_budgets_knows_no_key_of_one() -> None:
    assert await NOBODYS.find("cyc_sub_rsv_1_0") is None
