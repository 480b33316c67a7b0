"""What is old goes, what can still matter stays, and who kept a head finds every edit."""

import pytest

from proxy.domain.errors import ReservationNotFound
from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.reservation import State
from proxy.ledger import lines
from proxy.ledger.journal import Amounts, Kind, WindowName
from proxy.ledger.seal import RUN_ENTRIES, check_chain, check_entries, check_head, standing_after
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
    USD,
    ask,
    balance_of,
    charge_late,
    commit,
    declare,
    fund,
    hold,
    line,
    spend,
)
from tests.ledger.harness import BACKENDS, DAY_MS, HOUR_MS, NOON_MS, SECOND_MS, Harness, Home

pytestmark = pytest.mark.parametrize(
    "harness",
    [name for name, backend in BACKENDS.items() if backend.tidies],
    indirect=True,
)

FAR_MS = NOON_MS + 10_000 * DAY_MS


async def seal_all(ledger: Home) -> int:
    return await ledger.seal(before_ms=FAR_MS, limit=1_000)


async def prune_all(ledger: Home, before_ms: int) -> int:
    """Everything from before this time, a little at a time, sound after each step."""
    went = 0
    while count := await ledger.prune(before_ms=before_ms, limit=3):
        assert count <= 3
        went += count
        assert (await ledger.verify()).differences == ()
    return went


async def seqs(ledger: Home) -> list[int]:
    return [entry.seq for entry in await ledger.journal("dev", after_seq=0, limit=10_000)]


async def standing(ledger: Home) -> dict[WindowName, Amounts]:
    """What windows hold, by the oldest checkpoint and the entries after it."""
    (oldest, *_) = await ledger.seals("dev")
    assert oldest.standing is not None
    entries = await ledger.journal("dev", after_seq=oldest.last_seq, limit=10_000)
    after = standing_after(oldest.standing, entries)
    return {window: amounts for window, amounts in after.items() if any(amounts)}


async def test_a_run_is_closed_when_it_is_old_and_no_sooner(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100))
    harness.advance_ms(SECOND_MS)
    await spend(ledger, 5)
    assert await ledger.seal(before_ms=NOON_MS, limit=9) == 0
    assert await ledger.seal(before_ms=NOON_MS + SECOND_MS, limit=9) == 1
    (first,) = await ledger.seals("dev")
    assert (first.first_seq, first.last_seq, first.at_ms) == (1, 1, NOON_MS)
    assert await seal_all(ledger) == 1
    assert [(s.first_seq, s.last_seq) for s in await ledger.seals("dev")] == [(1, 1), (2, 4)]
    assert await seal_all(ledger) == 0


async def test_a_full_run_is_closed_at_once(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 10_000))
    while (await seqs(ledger))[-1] < 2 * RUN_ENTRIES + 1:
        for _ in range(70):
            await spend(ledger, 1)
    assert await ledger.seal(before_ms=0, limit=1) == 1
    assert await ledger.seal(before_ms=0, limit=9) == 1
    assert [seal.last_seq for seal in await ledger.seals("dev")] == [RUN_ENTRIES, 2 * RUN_ENTRIES]
    assert await ledger.seal(before_ms=0, limit=9) == 0


async def test_seals_are_those_of_the_entries(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line(BOT, 100, unit=Unit.TOKENS))
    for _ in range(4):
        await spend(ledger, {USD: 3, Unit.TOKENS: 7})
        await seal_all(ledger)
    seals = await ledger.seals("dev")
    assert list(check_chain(seals)) == []
    for seal in seals:
        count = seal.last_seq - seal.first_seq + 1
        run = await ledger.journal("dev", after_seq=seal.first_seq - 1, limit=count)
        assert list(check_entries(seal, run)) == []
    audit = await ledger.verify()
    assert audit.heads == (seals[-1].head,)
    assert check_head(seals, seals[0].head) is None


async def test_every_tenant_has_a_chain_of_its_own(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line("tenant:other", 100))
    await spend(ledger, 5)
    assert await seal_all(ledger) == 2
    assert await ledger.tenants() == ("dev", "other")
    assert [head.tenant for head in (await ledger.verify()).heads] == ["dev", "other"]
    (other,) = await ledger.seals("other")
    assert (other.tenant, other.last_seq) == ("other", 1)
    assert await ledger.seals("nobody") == ()


async def test_old_settled_rows_go_and_what_they_spent_stays(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100))
    await ledger.reserve(ask(5, key="spent"))
    await commit(ledger, (await ledger.reserve(ask(10, key="once"))).reservation_id, 10)
    given_back = await hold(ledger, 7)
    await ledger.release(given_back, key="end")
    balance = await balance_of(ledger, DEV)
    harness.advance_ms(DAY_MS)

    assert await prune_all(ledger, NOON_MS) == 0
    assert await prune_all(ledger, NOON_MS + 1) == 2

    assert await balance_of(ledger, DEV) == balance
    rows = await ledger.reservations(states=frozenset(State), limit=100)
    assert [row.key for row in rows] == ["spent"]
    with pytest.raises(ReservationNotFound):
        await charge_late(ledger, given_back, 3)
    again = await ledger.reserve(ask(4, key="once"))
    assert again.amounts == {USD: 4}, "a key can be used again when its row is gone"


async def test_a_row_that_ended_late_counts_from_its_end(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100))
    slow = await hold(ledger, 5)
    harness.advance_ms(DAY_MS)
    await commit(ledger, slow, 5)
    assert await prune_all(ledger, NOON_MS + DAY_MS) == 0
    assert await prune_all(ledger, NOON_MS + DAY_MS + 1) == 1


async def test_what_no_budget_covered_stays_until_it_is_funded(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(BOT, 40), line(CLI, 10))
    held = [await hold(ledger, 10) for _ in range(4)]
    for reservation_id in held:
        await commit(ledger, reservation_id, 15)
    await spend(ledger, 2, agent="cli")
    harness.advance_ms(DAY_MS)
    assert (await balance_of(ledger, BOT)).uncovered == 4 * 5
    assert await prune_all(ledger, FAR_MS) == 1, "the one behind those that stay"
    assert (await fund(ledger, BOT, 20)).uncovered == 0
    assert await prune_all(ledger, FAR_MS) == 4
    assert (await balance_of(ledger, BOT)).spent == 4 * 15
    assert (await ledger.verify()).charged == 0, "it sums up the rows that are there"


async def test_entries_go_up_to_a_checkpoint_and_the_last_run_stays(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 1_000))
    heads = []
    for _ in range(4):
        await spend(ledger, 3)
        await seal_all(ledger)
        heads.append((await ledger.verify()).heads[0])
        harness.advance_ms(DAY_MS)
    all_of_them = await ledger.journal("dev", after_seq=0, limit=100)

    await prune_all(ledger, NOON_MS + DAY_MS)
    assert (await seqs(ledger))[0] == heads[0].seq + 1
    await prune_all(ledger, NOON_MS + DAY_MS + 1)

    assert await seqs(ledger) == list(range(heads[1].seq + 1, heads[3].seq + 1))
    kept = await ledger.journal("dev", after_seq=0, limit=100)
    assert kept == all_of_them[heads[1].seq :]
    seals = await ledger.seals("dev")
    assert [check_head(seals, head) for head in heads[1:]] == [None, None, None]
    assert "is gone" in (check_head(seals, heads[0]) or "")

    await prune_all(ledger, FAR_MS)

    assert await seqs(ledger) == list(range(heads[2].seq + 1, heads[3].seq + 1))
    await spend(ledger, 3)
    assert (await seqs(ledger))[-1] == heads[3].seq + 3, "and numbers go on"
    assert (await ledger.verify()).differences == ()


async def test_unsealed_entries_stay(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 1_000))
    await spend(ledger, 3)
    harness.advance_ms(DAY_MS)
    assert await prune_all(ledger, FAR_MS) == 1
    assert await seqs(ledger) == [1, 2, 3, 4]


async def test_windows_of_long_ago_go(harness: Harness) -> None:
    """First out of the journal, and then altogether."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 1_000, period=Period.DAY))
    for _ in range(3):
        await spend(ledger, 3)
        await seal_all(ledger)
        harness.advance_ms(DAY_MS)
    now_ms = NOON_MS + 3 * DAY_MS
    await prune_all(ledger, now_ms)
    await seal_all(ledger)
    (*_, last) = await ledger.journal("dev", after_seq=0, limit=100)
    assert (last.kind, last.actor) == (Kind.FORGET, "retention")
    for _ in range(2):
        harness.advance_ms(DAY_MS)
        await spend(ledger, 3)
        await seal_all(ledger)
        now_ms += DAY_MS
    await prune_all(ledger, now_ms)
    (window,) = (await standing(ledger)).items()
    assert window == (
        WindowName(DEV, USD, Period.DAY, now_ms - DAY_MS // 2),
        Amounts(allocated=1_000, spent=3),
    )


async def test_a_retired_budget_goes_with_its_entries(harness: Harness) -> None:
    ledger = harness.ledger
    template = line("tenant:dev/agent:*", 50, idle_ttl_ms=HOUR_MS)
    await declare(ledger, line(DEV, 1_000), template)
    await spend(ledger, 3)
    harness.advance_ms(2 * HOUR_MS)
    assert len((await ledger.expire(limit=9)).retired) == 1
    for _ in range(2):
        await seal_all(ledger)
        harness.advance_ms(2 * DAY_MS)
        await spend(ledger, 3, agent=None)
    await seal_all(ledger)
    assert await prune_all(ledger, NOON_MS + 3 * DAY_MS) > 4
    await spend(ledger, 3)
    assert (await balance_of(ledger, BOT)).spent == 3
    assert (await ledger.verify()).differences == ()


async def test_a_fund_can_be_tried_again_for_a_day_whatever_goes(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100))
    first = await fund(ledger, DEV, 5, key="once")
    harness.advance_ms(DAY_MS - 1)
    await prune_all(ledger, FAR_MS)
    assert await fund(ledger, DEV, 5, key="once") == first
    harness.advance_ms(2)
    assert await prune_all(ledger, FAR_MS) == 1
    assert (await fund(ledger, DEV, 5, key="once")).allocated == 110


async def turn_over(harness: Harness) -> None:
    """Hours pass, windows are forgotten, and whatever nothing names goes."""
    for _ in range(4):
        harness.advance_ms(HOUR_MS)
        await spend(harness.ledger, 1, agent=None)
        await seal_all(harness.ledger)
        await prune_all(harness.ledger, FAR_MS)


async def test_a_window_stays_while_an_answer_names_it(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=Period.HOUR))
    first = await fund(ledger, DEV, 5, period=Period.HOUR, key="once")
    await turn_over(harness)
    assert await fund(ledger, DEV, 5, period=Period.HOUR, key="once") == first


async def test_a_window_stays_while_a_hold_of_nothing_names_it(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=Period.HOUR))
    request = ask(0, ttl_ms=DAY_MS)
    grant = await ledger.reserve(request)
    await turn_over(harness)
    again = await ledger.reserve(request)
    assert again.balances == grant.balances
    settled = await commit(ledger, grant.reservation_id, 0)
    assert [balance.window_start_ms for balance in settled.balances] == [NOON_MS]
    assert (await ledger.verify()).differences == ()


async def test_a_retired_budget_stays_while_a_hold_of_nothing_names_it(harness: Harness) -> None:
    ledger = harness.ledger
    template = line("tenant:dev/agent:*", 50, idle_ttl_ms=HOUR_MS)
    await declare(ledger, line(DEV, 100, period=Period.HOUR), template)
    request = ask(0, ttl_ms=DAY_MS)
    grant = await ledger.reserve(request)
    harness.advance_ms(2 * HOUR_MS)
    assert len((await ledger.expire(limit=9)).retired) == 1
    await turn_over(harness)
    assert (await ledger.reserve(request)).balances == grant.balances
    assert (await ledger.verify()).differences == ()


async def test_a_window_that_went_was_used_when_it_was_used(harness: Harness) -> None:
    """Its budget is idle neither sooner nor later."""
    ledger = harness.ledger
    template = line("tenant:dev/agent:*", 50, period=Period.HOUR, idle_ttl_ms=DAY_MS)
    await declare(ledger, line(DEV, 100), template)
    slow = await hold(ledger, 5)
    harness.advance_ms(HOUR_MS)
    await spend(ledger, 1)
    harness.advance_ms(HOUR_MS)
    await ledger.release(slow, key="end")
    harness.advance_ms(HOUR_MS)
    await seal_all(ledger)
    await prune_all(ledger, FAR_MS)
    harness.advance_ms(DAY_MS - HOUR_MS)
    assert (await ledger.expire(limit=9)).retired == ()
    harness.advance_ms(1)
    assert [name.scope for name in (await ledger.expire(limit=9)).retired] == [BOT]


async def test_many_windows_make_fewer_checkpoints_and_all_still_goes(harness: Harness) -> None:
    ledger = harness.ledger
    agents = [f"a{number}" for number in range(9)]
    await declare(ledger, line("tenant:dev/agent:*", 50))
    for agent in agents:
        await spend(ledger, 1, agent=agent)
    await seal_all(ledger)
    for _ in range(12):
        harness.advance_ms(1)
        await spend(ledger, 1, agent="a1")
        await seal_all(ledger)
    seals = await ledger.seals("dev")
    assert [seal.is_checkpoint for seal in seals] == [True, *[False, False, True] * 4]
    harness.advance_ms(DAY_MS)
    await prune_all(ledger, FAR_MS)
    assert (await seqs(ledger))[0] == seals[9].last_seq + 1
    kept = (await ledger.seals("dev"))[0]
    assert kept.standing is not None
    assert lines.standing_sha256(kept.standing) == kept.standing_sha256
