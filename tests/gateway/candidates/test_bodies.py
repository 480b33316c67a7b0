"""The body that each model would be sent: what policy says, for this model, counted."""

from typing import Any

import pytest

from proxy.dialects.chat import CHAT
from proxy.domain.decision import Caps
from proxy.domain.money import Unit
from proxy.gateway.shape import Shaped, shape
from proxy.policies import Wish
from tests.gateway.candidates.calls import HELLO, estimator, plan, request

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}


def call(**fields: Any) -> Any:
    return request("chat", **{"model": "o3", "messages": HELLO} | fields)


async def left(wish: Wish, *, rung: int = 0, gives_notes: bool = False, **fields: Any) -> Shaped:
    """What leaves of a chat completion by a rung of its plan, in full."""
    rules = estimator(gives_notes=gives_notes, fallback_models={"o3": ("gpt-4o-mini",)})
    way = (await plan("chat", call(**fields), wish, rules)).ways[rung]
    amounts = {unit: span.want for unit, span in way.rung.items()}
    return shape(CHAT, wish, way, rung=rung, amounts=amounts)


@pytest.mark.parametrize(
    ("wish", "fields", "sent", "caps"),
    [
        (
            Wish("p", reasoning_effort={"high": "medium", "*": "low"}),
            {"reasoning_effort": "high"},
            {"reasoning_effort": "medium"},
            ("effort",),
        ),
        (
            Wish("p", reasoning_effort={"high": "medium", "*": "low"}),
            {"reasoning_effort": "xhigh"},
            {"reasoning_effort": "low"},
            ("effort",),
        ),
        (Wish("p", reasoning_effort={"*": "low"}), {}, {"reasoning_effort": None}, ()),
        (
            Wish("p", reasoning_effort={"unset": "low"}),
            {},
            {"reasoning_effort": "low"},
            ("effort",),
        ),
        (
            Wish("p", reasoning_effort={"*": "low"}),
            {"reasoning_effort": "low"},
            {"reasoning_effort": "low"},
            (),
        ),
        (
            Wish("p", service_tier={"priority": "default"}),
            {"service_tier": "priority"},
            {"service_tier": "default"},
            ("service_tier",),
        ),
        (Wish("p", service_tier={"priority": "default"}), {}, {"service_tier": None}, ()),
        (Wish("p", n=2), {"n": 5}, {"n": 2}, ("n",)),
        (Wish("p", n=2), {"n": 2}, {"n": 2}, ()),
        (
            Wish("p", n=1, caps=Caps(tool_denylist=("f",), max_tokens=9)),
            {"n": 3, "tools": [FUNCTION], "max_completion_tokens": 50},
            {"n": 1, "tools": None, "max_completion_tokens": 9},
            ("max_tokens", "tools", "n"),
        ),
    ],
)
async def test_policy_changes_what_is_asked_for_and_says_so(
    wish: Wish, fields: dict[str, Any], sent: dict[str, Any], caps: tuple[str, ...]
) -> None:
    shaped = await left(wish, **fields)

    body = CHAT.read_request(shaped.body).fields
    assert {name: body.get(name) for name in sent} == sent
    assert shaped.caps == caps


async def test_no_effort_is_asked_of_a_model_that_is_not_known_to_reason() -> None:
    wish = Wish("p", reasoning_effort={"unset": "low"})
    rules = estimator(shorten=True, fallback_models={"o3": ("gpt-4o-mini",)})

    made = await plan("chat", call(), wish, rules)

    efforts = {way.model.name: way.request.reasoning_effort for way in made.ways}
    assert efforts == {"o3": "low", "gpt-4o-mini": None}


async def test_what_policy_lowers_is_not_held() -> None:
    """A fifth of the answers is a fifth of the money; a dearer tier is not held when it is left."""
    asked = await plan("chat", call(n=5, service_tier="priority", max_completion_tokens=100))
    wish = Wish("p", n=1, service_tier={"priority": "default"})
    lowered = await plan(
        "chat", call(n=5, service_tier="priority", max_completion_tokens=100), wish
    )

    assert lowered.estimate * 5 < asked.estimate
    assert lowered.ways[0].terms["service_tiers"] == {None}


async def test_a_note_is_written_only_where_it_is_wanted_and_a_policy_decides() -> None:
    assert (await left(Wish("p"), gives_notes=True)).caps == ("note",)
    assert (await left(Wish("p"))).caps == ()
    assert (await left(Wish(), gives_notes=True)).caps == ()


async def test_a_note_is_part_of_what_is_counted() -> None:
    silent = await plan("chat", call(), Wish("p"), estimator())
    told = await plan("chat", call(), Wish("p"), estimator(gives_notes=True))

    assert told.ways[0].bound.total_tokens > silent.ways[0].bound.total_tokens + 10


@pytest.mark.parametrize(
    ("steps_left", "words"),
    [
        (None, "The budget for this work is low: finish it as soon as you can."),
        (3, "The budget for this work is low: finish it within 3 steps."),
        (1, "The budget for this work is low: finish it within 1 step."),
    ],
)
async def test_a_note_says_how_many_steps_are_left(steps_left: int | None, words: str) -> None:
    shaped = await left(Wish("p", steps_left=steps_left), gives_notes=True)

    last = CHAT.read_request(shaped.body).fields["messages"][-1]
    assert last == {"role": "system", "content": words}


async def test_a_model_that_thinks_unseen_is_left_room_to_think() -> None:
    rules = estimator(min_output_tokens=10, min_reasoning_tokens=1_000)

    thinking = (await plan("chat", call(max_completion_tokens=9_000), None, rules)).ways[1]
    silent = await plan("chat", call(max_completion_tokens=9_000, model="gpt-4o"), None, rules)
    idle = await plan(
        "chat", call(max_completion_tokens=9_000, reasoning_effort="none"), None, rules
    )

    def least(way: Any) -> int:
        held: int = way.rung[Unit.TOKENS].minimum - way.bound.total_tokens
        return held

    assert least(thinking) == 1_010
    assert least(silent.ways[1]) == 10
    assert least(idle.ways[1]) == 10


async def test_each_way_holds_one_call_where_calls_are_counted() -> None:
    counted = await plan("chat", call(), None, estimator(counts_calls=True))
    free = await plan("chat", call(), None, estimator())

    assert {way.rung[Unit.CALLS].want for way in counted.ways} == {1}
    assert {way.rung[Unit.CALLS].minimum for way in counted.ways} == {1}
    assert all(Unit.CALLS not in way.rung for way in free.ways)
    assert counted.affordable_max_tokens(Unit.CALLS, 0) == 0
