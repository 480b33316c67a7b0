"""What stands in the store: one slot a tenant, nothing that goes by itself, exact amounts."""

import pytest

from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period
from proxy.domain.period import Step as PeriodStep
from proxy.domain.reservation import Overage
from proxy.domain.subject import Subject
from proxy.ledger.records import FundOperation, TenantStatus
from proxy.ledger.redis.layout import budgets_key, order_of, scopes_of
from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import (
    DEV,
    TOKENS,
    USD,
    ask,
    balance_of,
    commit,
    declare,
    fund,
    hold,
    line,
    usd,
)
from tests.servers.process import Server

EVERY_PERIOD = (
    Period.LIFETIME,
    Period(PeriodStep.ROLLING, rolling_ms=400 * 86_400_000),
    Period.YEAR,
    Period.MONTH,
    Period.WEEK,
    Period.DAY,
    Period(PeriodStep.DAY, "Europe/Berlin"),
    Period.HOUR,
)


async def live_a_little(ledger: RedisLedger) -> None:
    """Something of everything that is kept."""
    rolling = Period(PeriodStep.ROLLING, rolling_ms=3_600_000)
    await declare(
        ledger,
        line(DEV, 1_000, period=rolling),
        line("tenant:dev/agent:*", 100, period=Period.DAY, idle_ttl_ms=60_000),
    )
    await hold(ledger, 5)
    settled = await ledger.reserve(ask(5, overage=Overage.ALLOW_IF_AVAILABLE))
    await ledger.grow(settled.reservation_id, by=usd(1), key="more")
    await ledger.extend(settled.reservation_id, by_ms=10, key="longer")
    await commit(ledger, settled.reservation_id, 200)
    await fund(ledger, DEV, 10, FundOperation.CREDIT, period=rolling, key="gift")
    await ledger.remember("dev", "asked", "body", "ALLOW", keep_ms=1)
    await ledger.set_tenant_status("dev", TenantStatus.SUSPENDED, actor="ops")
    await ledger.seal(before_ms=2**52, limit=10)


async def test_all_keys_of_a_tenant_have_its_tag(ledger: RedisLedger, server: Server) -> None:
    await live_a_little(ledger)
    keys = {key.decode() for key in server.command("KEYS", "*")}
    assert len(keys) > 10
    assert {key for key in keys if not key.startswith("spendgate:{t:dev}:")} == {
        "spendgate:tenants"
    }


async def test_nothing_goes_by_itself(ledger: RedisLedger, server: Server) -> None:
    """A budget with a TTL forgets what was spent, a hold with one is never given back."""
    await live_a_little(ledger)
    assert {server.command("TTL", key) for key in server.command("KEYS", "*")} == {-1}


async def test_amounts_are_exact_wherever_they_stand(ledger: RedisLedger) -> None:
    """A number of Lua holds 53 bits, and a reply of HINCRBY is one."""
    odd = 2**53 + 1
    await declare(ledger, line(DEV, INT64_MAX))
    grant = await ledger.reserve(ask(odd, agent=None))
    assert grant.balances[0].remaining == INT64_MAX - odd
    grown = await ledger.grow(grant.reservation_id, by=usd(odd), key="more")
    assert grown.amounts == usd(2 * odd)
    settled = await commit(ledger, grant.reservation_id, odd + 2)
    assert (settled.charged, settled.released) == (usd(odd + 2), usd(odd - 2))
    assert settled.balances[0].spent == odd + 2
    assert (await balance_of(ledger, DEV)).remaining == INT64_MAX - odd - 2
    changes = [
        posting.change
        for entry in await ledger.journal("dev", after_seq=0, limit=10)
        for posting in entry.postings
    ]
    assert sum(change.reserved for change in changes) == 0
    assert sum(change.spent for change in changes) == odd + 2
    assert (await ledger.verify()).differences == ()


async def test_a_subject_without_a_tenant_has_books_too(
    ledger: RedisLedger, server: Server
) -> None:
    await declare(ledger, line("workspace:lab", 100))
    subject = Subject(workspace="lab", agent="bot")
    grant = await ledger.reserve(ask(5, subject=subject))
    assert [balance.scope for balance in grant.balances] == ["workspace:lab"]
    assert server.command("EXISTS", "spendgate:{t:}:budgets") == 1
    await commit(ledger, grant.reservation_id, 5)
    assert await ledger.tenants() == ("",)


async def test_what_callers_write_is_kept_as_it_is(ledger: RedisLedger) -> None:
    """Keys, traces and metadata are anybody's text."""
    text = "={t:x} \x00 \"' 💰 ]]"
    await declare(ledger, line(DEV, 100))
    request = ask(
        5, key=text, annotation=text, trace_id=text, price_version=text, metadata={"model": text}
    )
    grant = await ledger.reserve(request)
    row = await ledger.reservation(grant.reservation_id)
    assert (row.key, row.trace_id, row.price_version) == (text, text, text)
    assert row.metadata == {"model": text}
    again = await ledger.reserve(request)
    assert (again.reservation_id, again.annotation) == (grant.reservation_id, text)
    await ledger.remember("dev", f"{text} asked", text, text, keep_ms=1)
    assert await ledger.recall("dev", f"{text} asked", text) == text
    entry = (await ledger.journal("dev", after_seq=0, limit=10))[-1]
    assert (entry.trace_id, entry.price_version) == (text, text)


@pytest.mark.parametrize("unit", [USD, TOKENS])
def test_budgets_sort_as_they_are_checked(unit: object) -> None:
    assert isinstance(unit, type(USD))
    by_rule = sorted(EVERY_PERIOD, key=lambda period: period.order)
    assert sorted(EVERY_PERIOD, key=lambda period: order_of(unit, period).encode()) == by_rule


def test_units_sort_before_periods() -> None:
    assert order_of(USD, Period.HOUR) < order_of(TOKENS, Period.LIFETIME)


def test_names_follow_from_the_tenant() -> None:
    assert budgets_key("dev") == "spendgate:{t:dev}:budgets"
    assert scopes_of(DEV) == (DEV,)
