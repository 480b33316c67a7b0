"""How often a run has called a tool, in every home, with proxies that count at once."""

import asyncio

import pytest

from proxy.dialects.dialect import Tool, ToolKind
from proxy.domain.errors import LedgerUnavailable
from proxy.domain.policy import ToolRule
from proxy.domain.subject import RUN, Subject
from proxy.gateway.tools.counting import RunCounts
from proxy.gateway.tools.listed import ListedTools
from tests.e2e.stack import ListLog
from tests.ledger.conftest import harness, ledger
from tests.ledger.harness import Home

__all__ = ["harness", "ledger"]

MAIL, POST = Tool("mail", ToolKind.FUNCTION), Tool("post", ToolKind.FUNCTION)
LISTED = ListedTools(
    [ToolRule("mail", max_calls_per_run=5), ToolRule("*", fee_microcents=1, max_calls_per_run=2)]
)
OFFERED = LISTED.among([MAIL, POST])


def run(name: str | None, tenant: str = "dev", agent: str | None = None) -> Subject:
    return Subject(tenant=tenant, agent=agent, dimensions={} if name is None else {RUN: name})


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def counts(ledger: Home, log: ListLog) -> RunCounts:
    return RunCounts(LISTED, ledger, log)


async def used_up(counts: RunCounts, subject: Subject) -> set[str]:
    return {*await counts.used_up([MAIL, POST], subject)}


async def test_a_tool_is_used_up_when_it_was_called_as_often_as_it_may_be(
    counts: RunCounts,
) -> None:
    for number in range(5):
        assert await used_up(counts, run("7")) == ({"post"} if number >= 2 else set())
        await counts.count(OFFERED, {"mail": 1, "post": 1}, run("7"), name=f"call/{number}")
    assert await used_up(counts, run("7")) == {"mail", "post"}


async def test_all_calls_of_an_answer_count(counts: RunCounts) -> None:
    await counts.count(OFFERED, {"mail": 4}, run("7"), name="a")
    assert await used_up(counts, run("7")) == set()
    await counts.count(OFFERED, {"mail": 9, "post": 1}, run("7"), name="b")
    assert await used_up(counts, run("7")) == {"mail"}


async def test_each_run_of_each_tenant_counts_for_itself_whoever_calls(counts: RunCounts) -> None:
    await counts.count(OFFERED, {"post": 2}, run("7", agent="bot"), name="a")
    assert await used_up(counts, run("7", agent="cli")) == {"post"}
    assert await used_up(counts, run("8")) == set()
    assert await used_up(counts, run("7", tenant="acme")) == set()


async def test_without_a_run_nothing_is_counted(counts: RunCounts) -> None:
    await counts.count(OFFERED, {"post": 2}, run(None), name="a")
    assert await used_up(counts, run(None)) == set()


async def test_proxies_that_count_at_once_take_a_slot_each(ledger: Home, log: ListLog) -> None:
    proxies = [RunCounts(LISTED, ledger, log) for _ in range(4)]
    await asyncio.gather(
        *(
            proxy.count(OFFERED, {"mail": 1}, run("7"), name=f"{number}")
            for number, proxy in enumerate(proxies)
        )
    )
    assert await used_up(proxies[0], run("7")) == set()
    await proxies[3].count(OFFERED, {"mail": 1}, run("7"), name="the fifth")
    assert await used_up(proxies[0], run("7")) == {"mail"}


class Away:
    """A ledger that cannot be reached."""

    async def recall(self, *_: object) -> str | None:
        raise LedgerUnavailable

    async def remember(self, *_: object, keep_ms: int) -> str:
        raise LedgerUnavailable


async def test_what_cannot_be_counted_is_told_without_the_name_of_a_tool(log: ListLog) -> None:
    away = RunCounts(LISTED, Away(), log)  # type: ignore[arg-type]
    await away.count(OFFERED, {"mail": 2}, run("Run 7"), name="a")

    (line,) = log.events("tool_calls_uncounted")
    assert (line["tenant"], line["calls"]) == ("dev", 2)
    with pytest.raises(LedgerUnavailable):
        await away.used_up([MAIL], run("7"))
    assert await away.used_up([MAIL], run(None)) == frozenset()
