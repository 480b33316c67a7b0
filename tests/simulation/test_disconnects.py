"""The table of those who leave: what the operator chose, when they leave, how the answer comes.

docs/semantics.md, "The life of a hold"; field-report 13, 33-37. Each row is lived in virtual
time and judged by the rules of all lives besides.
"""

import json
from dataclasses import replace
from typing import Any, Final, Literal

import pytest

from simulator import Behaviour
from tests.simulation.plan import PROMPT, Call, Caller, Plan, Route
from tests.simulation.rig.provider import USD, read, serve
from tests.simulation.trial import Trial, try_plan

Policy = Literal["abort", "drain", "drain up to $x"]
Moment = Literal["before headers", "mid-stream", "after usage"]
Mode = Literal["JSON", "SSE"]
Charge = Literal["usage", "counted", "uncertain"]
End = Literal["whole", "left"]

SETTLE: Final[dict[Policy, dict[str, Any]]] = {
    "abort": {"on_disconnect": "abort"},
    "drain": {"on_disconnect": "drain"},
    "drain up to $x": {"on_disconnect": "drain", "drain_usd": "$0.02"},
}

Row = tuple[Policy, Moment, Mode, End, Charge, Charge]
"""Ends with: how the upstream's answer ends, and what is charged where all output is shown, and
where some may be hidden."""

TABLE: Final[list[Row]] = [
    ("abort", "before headers", "JSON", "whole", "usage", "usage"),
    ("abort", "mid-stream", "JSON", "whole", "usage", "usage"),
    ("abort", "after usage", "JSON", "whole", "usage", "usage"),
    ("drain", "before headers", "JSON", "whole", "usage", "usage"),
    ("drain", "mid-stream", "JSON", "whole", "usage", "usage"),
    ("drain", "after usage", "JSON", "whole", "usage", "usage"),
    ("drain up to $x", "before headers", "JSON", "whole", "usage", "usage"),
    ("drain up to $x", "mid-stream", "JSON", "whole", "usage", "usage"),
    ("drain up to $x", "after usage", "JSON", "whole", "usage", "usage"),
    ("abort", "before headers", "SSE", "left", "uncertain", "uncertain"),
    ("abort", "mid-stream", "SSE", "left", "counted", "uncertain"),
    ("abort", "after usage", "SSE", "left", "usage", "usage"),
    ("drain", "before headers", "SSE", "whole", "usage", "usage"),
    ("drain", "mid-stream", "SSE", "whole", "usage", "usage"),
    ("drain", "after usage", "SSE", "whole", "usage", "usage"),
    ("drain up to $x", "before headers", "SSE", "left", "counted", "uncertain"),
    ("drain up to $x", "mid-stream", "SSE", "left", "counted", "uncertain"),
    ("drain up to $x", "after usage", "SSE", "whole", "usage", "usage"),
]

# The same with a `drain_ms` of which nothing is left when the next bytes come.
IMPATIENT: Final[list[Row]] = [
    ("abort", "before headers", "JSON", "left", "uncertain", "uncertain"),
    ("abort", "mid-stream", "JSON", "left", "uncertain", "uncertain"),
    ("abort", "after usage", "JSON", "left", "uncertain", "uncertain"),
    ("drain", "before headers", "JSON", "left", "uncertain", "uncertain"),
    ("drain", "mid-stream", "JSON", "left", "uncertain", "uncertain"),
    ("drain", "after usage", "JSON", "left", "uncertain", "uncertain"),
    ("drain", "before headers", "SSE", "left", "uncertain", "uncertain"),
    ("drain", "mid-stream", "SSE", "left", "counted", "uncertain"),
    ("drain", "after usage", "SSE", "left", "usage", "usage"),
]

MODELS: Final = {"shown": "gpt-4o", "hidden": "gpt-5-mini"}
LONG_TOKENS, SHORT_TOKENS = 6_000, 12
"""The long answer has more bytes than are drained between two looks at their worth."""

STATUS_MS, PACE_MS = 1_000, 10
ABORTED_WITHIN_S: Final = 1.0
DONE_BYTES: Final = len(b"data: [DONE]\n\n")


def call_of(model: str, mode: Mode, moment: Moment) -> Call:
    """A call whose caller leaves at that moment."""
    body: dict[str, Any] = {
        "model": model,
        "max_completion_tokens": LONG_TOKENS,
        "messages": [{"role": "user", "content": PROMPT}],
    }
    if mode == "SSE":
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    tokens = SHORT_TOKENS if moment == "after usage" else LONG_TOKENS
    behaviour = Behaviour(output_tokens=tokens, reasoning_tokens=0, tokens_per_event=100)
    call = Call(number=1, at_ms=1, body=body, behaviour=behaviour)
    reply = serve(call, read(json.dumps(body).encode()), "")
    pieces, heard = pieces_of(sum(len(part.data) for part in reply.parts), moment)
    leaves_ms = {
        "before headers": STATUS_MS // 2,
        "mid-stream": STATUS_MS + heard * PACE_MS + PACE_MS // 2,
        "after usage": STATUS_MS + heard * PACE_MS + PACE_MS // 2,
    }
    return replace(
        call,
        caller=Caller(leaves_ms=leaves_ms[moment]),
        route=Route(status_ms=STATUS_MS, pieces=pieces, pace_ms=PACE_MS),
    )


def pieces_of(size: int, moment: Moment) -> tuple[int, int]:
    """In how many pieces an answer of so many bytes comes, and how many before its caller goes.

    After usage all are there but the last, which is shorter than what a stream ends with.
    """
    if moment != "after usage":
        return 64, 3
    pieces = -(-size // (DONE_BYTES // 2))
    return pieces, pieces - 1


def live(policy: Policy, moment: Moment, mode: Mode, model: str, **settle: Any) -> Trial:
    """One life with this call in it. What nobody knows is left for people."""
    plan = Plan(
        seed=0,
        config={
            "upstreams": [
                {
                    "name": "openai",
                    "base_url": "https://api.openai.com/v1",
                    "api_key": "sk-of-the-upstream",
                }
            ],
            "identity": {"default": {"tenant": "dev"}},
            "budgets": [{"scope": "tenant:dev", "allocated": "$1.00"}],
            "settle": {"uncertain": "hold", "drain_ms": 60_000} | SETTLE[policy] | settle,
        },
        expiry_pause_ms=1_000,
        hostile=False,
        calls=(call_of(model, mode, moment),),
    )
    trial = try_plan(plan)
    assert trial.broken == ()
    return trial


def assert_charged(trial: Trial, charge: Charge) -> None:
    """The hold ended as the table says, and never in favour of free."""
    (row,), (run,) = trial.books.rows, trial.runs
    bill, floor = run.sighting.bill[USD], run.sighting.floor[USD]
    match charge:
        case "usage":
            assert (row.state, row.estimated, row.paid[USD]) == ("COMMITTED", 0, bill)
        case "counted":
            assert (row.state, row.estimated) == ("COMMITTED", 1)
            assert 0 < floor <= row.paid[USD] < row.amounts[USD]
        case "uncertain":
            assert (row.state, row.paid[USD]) == ("UNCERTAIN", 0)
            assert row.amounts[USD] >= bill > 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("policy", "moment", "mode", "end", "shown", "hidden"), TABLE)
def test_who_leaves_is_charged_by_the_table(
    policy: Policy,
    moment: Moment,
    mode: Mode,
    end: End,
    shown: Charge,
    hidden: Charge,
    model: str,
) -> None:
    trial = live(policy, moment, mode, MODELS[model])

    (run,) = trial.runs
    assert run.door is not None
    assert 0 < run.door.gone_at_s <= run.sighting.ended_at_s
    assert run.sighting.end == end
    assert_charged(trial, shown if model == "shown" else hidden)
    if policy == "abort" and mode == "SSE":
        assert run.sighting.ended_at_s - run.door.gone_at_s < ABORTED_WITHIN_S
        assert (run.sighting.status is None) == (moment == "before headers")
    if policy == "drain up to $x" and end == "left":
        assert 0 < run.sighting.delivered.completion_tokens < LONG_TOKENS // 2


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("policy", "moment", "mode", "end", "shown", "hidden"), IMPATIENT)
def test_nobody_waits_for_longer_than_drain_ms(
    policy: Policy,
    moment: Moment,
    mode: Mode,
    end: End,
    shown: Charge,
    hidden: Charge,
    model: str,
) -> None:
    trial = live(policy, moment, mode, MODELS[model], drain_ms=PACE_MS // 5)

    (run,) = trial.runs
    assert run.door is not None
    waited_s = run.sighting.ended_at_s - run.door.gone_at_s
    assert 0 < waited_s < PACE_MS / 1000
    assert run.sighting.end == end
    assert_charged(trial, shown if model == "shown" else hidden)
