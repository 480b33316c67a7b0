"""GET /v1/balances: what the budgets of a subject have left.

Source: cycles-protocol-v0.yaml, getBalances. `include_children` is accepted and makes no
difference, as the protocol allows: what is named is a filter, and all that matches is shown.
"""

from msgspec import UNSET

from proxy.authority.errors import Problem
from proxy.authority.exchange import Call, Desk
from proxy.authority.query import Query, bad, decode_cursor, encode_cursor, mark
from proxy.authority.rows import levels_of, tightest, wire_balance
from proxy.cycles_wire.errors import ErrorCode
from proxy.cycles_wire.responses import BalanceResponse, write
from proxy.cycles_wire.subjects import named_subject, subject_of
from proxy.domain.money import WIRE_UNITS, Unit
from proxy.domain.scope import derive, encode_value
from proxy.domain.subject import LEVELS
from proxy.ledger.records import Balance

_UNITS = WIRE_UNITS


async def get_balances(desk: Desk, call: Call) -> bytes:
    """A page of balances, by scope and unit. Raises Problem, LedgerError."""
    asked = Query(call.query)
    named = asked.levels()
    if not named:
        raise bad(f"Name at least one of {', '.join(LEVELS)}.")
    call.access.check_tenant(named.get("tenant"))
    levels = {level: encode_value(value) for level, value in named.items()}
    levels["tenant"] = call.access.tenant
    filters = mark(levels)
    limit, cursor = asked.limit(), asked.text("cursor")

    found = _visible(call, await _matching(desk, levels))
    rest = found if cursor is None else _after(found, decode_cursor(cursor, filters))
    page = rest[:limit]
    has_more = len(rest) > limit
    return write(
        BalanceResponse(
            balances=[wire_balance(balance) for balance in page],
            next_cursor=encode_cursor(filters, _name(page[-1])) if has_more else UNSET,
            has_more=has_more,
        )
    )


async def _matching(desk: Desk, levels: dict[str, str]) -> list[Balance]:
    """One of each scope and unit, by scope, with the one that a template would make."""
    named = derive(subject_of(named_subject(levels, {})))[-1]
    everything = (
        *await desk.ledger.balances((named,), *WIRE_UNITS),
        *await desk.ledger.all_balances(levels["tenant"]),
    )
    matching = (b for b in everything if levels.items() <= levels_of(b.scope).items())
    return sorted(tightest(matching), key=lambda b: (b.scope, _UNITS.index(b.unit)))


def _visible(call: Call, balances: list[Balance]) -> list[Balance]:
    """Those that the key may see. To ask only for others is no question for this key."""
    visible = [balance for balance in balances if call.access.sees_budget(balance.scope)]
    if balances and not visible:
        raise Problem(ErrorCode.FORBIDDEN, "These balances are out of reach of this key.")
    return visible


def _after(balances: list[Balance], last: tuple[str | int, str]) -> list[Balance]:
    scope, unit = str(last[0]), last[1]
    if unit not in _UNITS:
        raise bad("cursor is not one that this server has given.")
    place = (scope, _UNITS.index(Unit(unit)))
    return [b for b in balances if (b.scope, _UNITS.index(b.unit)) > place]


def _name(balance: Balance) -> tuple[str, str]:
    return balance.scope, balance.unit
