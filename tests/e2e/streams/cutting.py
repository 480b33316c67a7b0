"""Streams that no budget has room for: made to end after as many tokens as a test wants."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from proxy.domain.period import Period
from proxy.ledger.records import BudgetName, FundOperation, Reservation
from simulator.behaviour import Behaviour, Wire
from simulator.bill import BillLine
from simulator.server import Simulator
from tests.e2e.stack import TENANT, TOKENS, USD, Stack, charged, running

LOOKAHEAD = 8
"""Tokens that a hold stays ahead in these tests."""

EAGER: Mapping[str, int] = {"answers_min": 1, "quantile_pct": 100, "margin_pct": 0}
"""One answer is enough to know the length of the next."""

CLAUDE = "claude-haiku-4-5"
COUNTED_BY_BYTES = "claude-haiku-5-5"
SEEN_CLAUDE = [
    {
        "model": model,
        "input_per_mtok": 3,
        "output_per_mtok": 15,
        "hidden_output": False,
        "tokenizer": tokenizer,
        "context_window": 200_000,
        "max_output_tokens": 64_000,
    }
    for model, tokenizer in ((CLAUDE, "o200k_base"), (COUNTED_BY_BYTES, "unknown"))
]
"""Models whose answers show all that they cost; one is counted as the simulator counts, which
says nothing of the prompt that tools bring with them."""

LIMIT_TOKENS = 2_000
"""What every call allows its answer."""

EVERY_TOKEN = Wire(pace_ms=1)
"""Each event comes by itself."""

OF_ALL_TOKENS = BudgetName(TENANT, TOKENS, Period.LIFETIME)


@dataclass(frozen=True)
class Seen:
    """What a program saw of a stream: its text, or the input of a tool, and how it ended."""

    text: str
    reason: str | None
    output_tokens: int | None


@dataclass(frozen=True)
class Cut:
    """A stream that was cut, as its caller, the ledger and the upstream have it."""

    seen: Seen
    row: Reservation
    bill: BillLine
    remaining: Mapping[str, int]

    def assert_charged(self) -> None:
        """For all that came, which the hold covers; the upstream may be a few tokens ahead."""
        tokens = self.bill.input.prompt_tokens + self.bill.output.completion_tokens
        assert self.row.estimated
        assert not any(self.row.uncovered.values())
        assert all(left >= 0 for left in self.remaining.values())
        assert self.bill.outcome == "aborted"
        assert tokens <= charged(self.row, TOKENS) + LOOKAHEAD
        assert charged(self.row, TOKENS) <= self.row.amounts[TOKENS]
        assert charged(self.row, USD) <= self.row.amounts[USD]


@asynccontextmanager
async def learning(
    folder: Path, *, lookahead: int = LOOKAHEAD, **changes: Any
) -> AsyncIterator[Stack]:
    """A proxy that learns holds, with a budget in dollars and one in tokens."""
    budgets = [
        {"scope": "tenant:dev", "allocated": "$100.00", "period": "none"},
        {"scope": "tenant:dev", "unit": "TOKENS", "allocated": 10**8, "period": "none"},
    ]
    async with Simulator() as simulator:
        named = {"base_url": simulator.base_url, "api_key": "none"}
        upstreams = [
            {"name": "openai", "models": ["gpt-*"], **named},
            {"name": "anthropic", "api": "anthropic", **named},
        ]
        config = {
            "hold": "learned",
            "learning": {**EAGER, "lookahead_tokens": lookahead},
            "budgets": budgets,
            "upstreams": upstreams,
            "pricing": {"overrides": SEEN_CLAUDE},
        }
        async with running(folder, simulator, **(config | changes)) as stack:
            yield stack


Ask = Callable[[Stack, str], Awaitable[Seen]]
"""A stream that a program asks for, as an agent of this name."""


async def cut_after(
    stack: Stack, ask: Ask, tokens: int, *, agent: str, says: Behaviour, lookahead: int = LOOKAHEAD
) -> Cut:
    """Let answers of this agent be known to have so many tokens, and then let one be longer.

    `says`: what is longer. When it is asked for there is room for its hold, and no more.
    """
    stack.simulator.behave(Behaviour(output_tokens=tokens, tool_calls=0))
    await ask(stack, agent)
    (known,) = [row for row in await stack.rows() if row.scope_path.endswith(f"agent:{agent}")]
    prompt_tokens = known.amounts[TOKENS] - LIMIT_TOKENS
    spent = next(b for b in await stack.books.all_balances() if b.unit is TOKENS).spent
    room = spent + prompt_tokens + tokens + 2 * lookahead
    await stack.books.fund(OF_ALL_TOKENS, FundOperation.RESET, room, actor="test")
    stack.simulator.behave(says)
    seen = await ask(stack, agent)
    calls = len(await stack.rows())
    await stack.log.until("call", calls)
    balances = await stack.books.all_balances()
    await stack.books.fund(OF_ALL_TOKENS, FundOperation.RESET, 10**8, actor="test")
    return Cut(
        seen,
        (await stack.rows())[-1],
        stack.simulator.bills[-1],
        {f"{each.scope} {each.unit}": each.remaining for each in balances},
    )


WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}


def openai(stack: Stack, agent: str) -> AsyncOpenAI:
    return AsyncOpenAI(
        api_key="any",
        base_url=stack.base_url,
        default_headers={"X-Cycles-Agent": agent},
        max_retries=0,
    )


async def chat(stack: Stack, agent: str, *, tools: bool = False, **asked: Any) -> Seen:
    """A chat completion, by the helper that puts it together."""
    if tools:
        asked["tools"] = [{"type": "function", "function": WEATHER}]
    async with (
        openai(stack, agent) as sdk,
        sdk.chat.completions.stream(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "Go on."}],
            max_tokens=LIMIT_TOKENS,
            stream_options={"include_usage": True},
            **asked,
        ) as stream,
    ):
        async for _ in stream:
            pass
        whole = stream.current_completion_snapshot
    choice = whole.choices[0]
    calls = choice.message.tool_calls or ()
    text = "".join(getattr(call, "function").arguments for call in calls)  # noqa: B009
    used = whole.usage.completion_tokens if whole.usage is not None else None
    return Seen(text or choice.message.content or "", choice.finish_reason, used)


async def completions(stack: Stack, agent: str) -> Seen:
    """A legacy completion."""
    async with openai(stack, agent) as sdk:
        stream = await sdk.completions.create(
            model="gpt-3.5-turbo-instruct", prompt="Go on.", stream=True, max_tokens=LIMIT_TOKENS
        )
        chunks = [chunk.choices[0] async for chunk in stream if chunk.choices]
    return Seen("".join(chunk.text for chunk in chunks), chunks[-1].finish_reason, None)


async def responses(stack: Stack, agent: str, *, tools: bool = False) -> Seen:
    """A response, by the helper that puts it together."""
    asked: dict[str, Any] = {"tools": [{"type": "function", **WEATHER}]} if tools else {}
    async with (
        openai(stack, agent) as sdk,
        sdk.responses.stream(
            model="gpt-4o-mini", input="Go on.", max_output_tokens=LIMIT_TOKENS, **asked
        ) as stream,
    ):
        events: list[Any] = [event async for event in stream]
    response = events[-1].response
    assert [event.sequence_number for event in events] == [*range(len(events))]
    assert all(item.status in ("completed", "incomplete") for item in response.output)
    texts = [getattr(item, "arguments", "") for item in response.output]
    why = response.incomplete_details
    reason = f"{response.status}: {why.reason}" if why is not None else response.status
    return Seen(response.output_text or "".join(texts), reason, response.usage.output_tokens)


async def messages(stack: Stack, agent: str, *, tools: bool = False) -> Seen:
    """A message, by the helper that puts it together."""
    schema = {"name": "get_weather", "input_schema": WEATHER["parameters"]}
    asked: dict[str, Any] = {"tools": [schema]} if tools else {}
    client = AsyncAnthropic(
        api_key="any",
        base_url=stack.base_url.removesuffix("/v1"),
        default_headers={"X-Cycles-Agent": agent},
        max_retries=0,
    )
    text = ""
    async with (
        client as sdk,
        sdk.messages.stream(
            model=COUNTED_BY_BYTES if tools else CLAUDE,
            max_tokens=LIMIT_TOKENS,
            messages=[{"role": "user", "content": "Go on."}],
            **asked,
        ) as stream,
    ):
        async for event in stream:
            if event.type == "content_block_delta":
                text += getattr(event.delta, "text", getattr(event.delta, "partial_json", ""))
        message = await stream.get_final_message()
    return Seen(text, message.stop_reason, message.usage.output_tokens)
