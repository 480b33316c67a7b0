"""What the Cycles protocol shows of a ledger."""

import msgspec
import pytest

from proxy.cycles_wire.schemas import Amount, SignedAmount
from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.records import Balance, BudgetStatus
from proxy.ledger.wire import wire_balances, wire_status

BALANCE = Balance(
    scope=Scope("tenant:acme"),
    unit=Unit.TOKENS,
    period=Period.LIFETIME,
    window_start_ms=0,
    window_end_ms=None,
    allocated=100,
    reserved=10,
    spent=20,
    debt=0,
    uncertain=0,
    uncovered=0,
    overdraft_limit=0,
    is_over_limit=False,
    status=BudgetStatus.ACTIVE,
)


def test_a_balance_without_debt_says_nothing_of_debt() -> None:
    (shown,) = wire_balances([BALANCE])
    assert msgspec.to_builtins(shown) == {
        "scope": "tenant:acme",
        "scope_path": "tenant:acme",
        "remaining": {"unit": "TOKENS", "amount": 70},
        "reserved": {"unit": "TOKENS", "amount": 10},
        "spent": {"unit": "TOKENS", "amount": 20},
        "allocated": {"unit": "TOKENS", "amount": 100},
    }


def test_debt_is_told_with_its_limit() -> None:
    balance = msgspec.structs.replace(BALANCE, debt=90, overdraft_limit=95, is_over_limit=True)
    (shown,) = wire_balances([balance])
    assert shown.remaining == SignedAmount(unit=Unit.TOKENS, amount=-20)
    assert shown.debt == Amount(unit=Unit.TOKENS, amount=90)
    assert shown.overdraft_limit == Amount(unit=Unit.TOKENS, amount=95)
    assert shown.is_over_limit is True


def test_a_scope_shows_its_window_with_the_least_remaining() -> None:
    inner = msgspec.structs.replace(BALANCE, scope=Scope("tenant:acme/agent:a"), spent=1)
    tight = msgspec.structs.replace(BALANCE, allocated=40)
    money = msgspec.structs.replace(BALANCE, unit=Unit.USD_MICROCENTS)
    shown = wire_balances([BALANCE, tight, money, inner, BALANCE])
    assert [(each.scope, each.remaining.unit, each.remaining.amount) for each in shown] == [
        ("tenant:acme", Unit.TOKENS, 10),
        ("tenant:acme", Unit.USD_MICROCENTS, 70),
        ("tenant:acme/agent:a", Unit.TOKENS, 89),
    ]


def test_a_budget_of_a_run_is_in_no_scope_of_the_protocol() -> None:
    run = msgspec.structs.replace(BALANCE, scope=Scope("tenant:acme/run:7"))
    assert [each.scope for each in wire_balances([run, BALANCE])] == ["tenant:acme"]


def test_an_allocation_below_zero_is_left_out() -> None:
    (shown,) = wire_balances([msgspec.structs.replace(BALANCE, allocated=-1)])
    assert "allocated" not in msgspec.to_builtins(shown)
    assert shown.remaining.amount == -31


@pytest.mark.parametrize("state", State)
def test_an_uncertain_hold_reads_as_active(state: State) -> None:
    shown = wire_status(state)
    assert shown.value == ("ACTIVE" if state is State.UNCERTAIN else state.value)
