"""POST /v1/x-spendgate/sub-budgets, and GET and POST /{id}/close below it.

A sub-budget has the id of the hold that fills it.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import UNSET, structs

from proxy.authority.auth import Access, Spender
from proxy.authority.errors import Problem
from proxy.authority.exchange import Call, Desk
from proxy.authority.operations.table import RESERVATION_ID, Operation
from proxy.authority.sub_budgets import credential
from proxy.authority.sub_budgets.carving import DEPTH_MAX, Carve, missing_units
from proxy.authority.sub_budgets.terms import Terms, is_carve, purse_filled_by, terms_of
from proxy.authority.sub_budgets.wire import (
    SubBudget,
    SubBudgetCreateRequest,
    SubBudgetCreateResponse,
    SubBudgetStatus,
)
from proxy.cycles_wire.errors import ErrorCode
from proxy.cycles_wire.responses import write
from proxy.cycles_wire.schemas import Amount
from proxy.cycles_wire.subjects import named_subject
from proxy.domain.errors import ReservationNotFound, UnitMismatch
from proxy.domain.key import CALLING, Permission
from proxy.domain.money import Unit
from proxy.domain.reservation import OPEN, State
from proxy.domain.sub_budget import UNLIMITED, Limits
from proxy.ledger.records import Balance, BudgetStatus, Reservation

PATH: Final = "/v1/x-spendgate/sub-budgets"

OF_CHILDREN: Final = CALLING | {
    Permission.BALANCES_READ,
    Permission.EVENTS_CREATE,
    Permission.SUB_BUDGETS_CREATE,
}
"""What a child may do, as far as its parent may."""


async def create(desk: Desk, call: Call) -> bytes:
    """Carve a sub-budget, and say its key. Raises Problem, Refused, LedgerError."""
    request = call.read(SubBudgetCreateRequest)
    access = call.access
    access.require(Permission.RESERVATIONS_CREATE)
    wire = named_subject(access.fixed, {}) if request.subject is UNSET else request.subject
    spender = access.admit(wire)
    spender.check_goes_on()
    amounts = _by_unit(request.amounts)
    await _check_units(desk, spender, amounts)
    carve = Carve(
        key=request.idempotency_key,
        payload_hash=spender.payload_hash(structs.replace(request, subject=spender.wire)),
        subject=spender.subject,
        amounts=amounts,
        ttl_ms=_lifetime_ms(desk, access, request.ttl_ms),
        terms=_terms(access, request),
        parent_secret=call.secret,
        salt=desk.sub_budgets.new_salt(),
        trace_id=call.trace_id,
    )
    try:
        carved = await desk.sub_budgets.carve(carve)
    except UnitMismatch:
        raise _unit_problem(spender, ()) from None
    row = carved.row
    return write(
        SubBudgetCreateResponse(
            sub_budget_id=row.reservation_id,
            key=credential.written(carved.key),
            scope=purse_filled_by(row),
            amounts=_amounts(row.amounts),
            expires_at_ms=row.expires_at_ms,
        )
    )


async def get(desk: Desk, call: Call) -> bytes:
    """A sub-budget as it stands. Raises Problem, LedgerError."""
    return write(await _show(desk, await _own(desk, call)))


async def close(desk: Desk, call: Call) -> bytes:
    """End a sub-budget and give its parent back what it has left. Raises Problem, LedgerError."""
    row = await _own(desk, call)
    shown = await _show(desk, row)
    if shown.status is not SubBudgetStatus.CLOSED:
        await desk.sub_budgets.close(row)
        shown = await _show(desk, await desk.ledger.reservation(row.reservation_id))
    return write(shown)


OPERATIONS: Final = (
    Operation(
        "createSubBudget", "POST", PATH, create,
        Permission.SUB_BUDGETS_CREATE, SubBudgetCreateRequest, SubBudgetCreateResponse, status=201,
    ),
    Operation(
        "getSubBudget", "GET", f"{PATH}/{RESERVATION_ID}", get,
        Permission.BALANCES_READ, None, SubBudget,
    ),
    Operation(
        "closeSubBudget", "POST", f"{PATH}/{RESERVATION_ID}/close", close,
        Permission.SUB_BUDGETS_CREATE, None, SubBudget,
    ),
)  # fmt: skip


def _by_unit(amounts: list[Amount]) -> dict[Unit, int]:
    by_unit = {each.unit: each.amount for each in amounts}
    if len(by_unit) < len(amounts):
        raise Problem(ErrorCode.INVALID_REQUEST, "The amounts name a unit twice.")
    return by_unit


async def _check_units(desk: Desk, spender: Spender, amounts: dict[Unit, int]) -> None:
    missing = await missing_units(desk.ledger, spender.subject, amounts)
    if missing:
        raise _unit_problem(spender, missing)


def _unit_problem(spender: Spender, missing: tuple[Unit, ...]) -> Problem:
    return Problem(
        ErrorCode.UNIT_MISMATCH,
        f"Budgets of {spender.scopes[-1]} count {', '.join(missing)}: name an amount of it."
        if missing
        else f"No budget of {spender.scopes[-1]} is in these units.",
        details={"scope": spender.scopes[-1], "expected_units": list(missing)},
    )


def _lifetime_ms(desk: Desk, access: Access, asked_ms: int) -> int:
    """As long as it was asked for, but not beyond the sub-budget that it is carved from."""
    if access.child is None:
        return asked_ms
    return max(1, min(asked_ms, access.child.expires_at_ms - desk.clock.now_ms()))


def _terms(access: Access, request: SubBudgetCreateRequest) -> Terms:
    """What the child may do: never more than its parent."""
    parent = access.child
    depth = 1 if parent is None else parent.depth + 1
    if depth > DEPTH_MAX:
        raise Problem(
            ErrorCode.INVALID_REQUEST, f"Sub-budgets stand at most {DEPTH_MAX} inside each other."
        )
    limits = UNLIMITED if parent is None else parent.limits
    return Terms(
        secret_sha256="",
        permissions=tuple(sorted(OF_CHILDREN & access.key.permissions)),
        reach=tuple(pattern.text for pattern in access.key.scope_filter),
        limits=_narrowed(limits, request),
        depth=depth,
    )


def _narrowed(limits: Limits, request: SubBudgetCreateRequest) -> Limits:
    try:
        return limits.narrowed(
            models=() if request.models is UNSET else request.models,
            tools=() if request.tool_allowlist is UNSET else request.tool_allowlist,
            max_tokens=None if request.max_tokens is UNSET else request.max_tokens,
        )
    except ValueError as error:
        raise Problem(ErrorCode.INVALID_REQUEST, str(error)) from None


async def _own(desk: Desk, call: Call) -> Reservation:
    """The carve that the path names, if this key may see it: a parent's, or the child's own.

    Raises:
        Problem: NOT_FOUND; FORBIDDEN, when it is another tenant's, or out of reach.
    """
    try:
        row = await desk.ledger.reservation(call.reservation_id)
    except ReservationNotFound:
        raise _not_found() from None
    if not is_carve(row):
        raise _not_found()
    if call.access.key.name != row.reservation_id or call.access.child is None:
        call.access.check_sees(row)
    return row


def _not_found() -> Problem:
    return Problem(ErrorCode.NOT_FOUND, "No sub-budget has this id.")


async def _show(desk: Desk, row: Reservation) -> SubBudget:
    balances = await desk.ledger.balances([purse_filled_by(row)], *Unit)
    limits = terms_of(row).limits
    return SubBudget(
        sub_budget_id=row.reservation_id,
        status=_status(desk, row, balances),
        scope=purse_filled_by(row),
        amounts=_amounts(row.amounts),
        spent=[Amount(unit=b.unit, amount=b.spent) for b in balances],
        reserved=[Amount(unit=b.unit, amount=b.reserved) for b in balances],
        charged=UNSET
        if row.charged is None or row.state is not State.COMMITTED
        else _amounts(row.charged),
        expires_at_ms=row.expires_at_ms,
        models=[list(globs) for globs in limits.models] or UNSET,
        tool_allowlist=list(limits.tools) or UNSET,
        max_tokens=UNSET if limits.max_tokens is None else limits.max_tokens,
    )


def _status(desk: Desk, row: Reservation, balances: tuple[Balance, ...]) -> SubBudgetStatus:
    statuses = {balance.status for balance in balances}
    if row.state not in OPEN and statuses <= {BudgetStatus.CLOSED}:
        return SubBudgetStatus.CLOSED
    is_over = row.expires_at_ms <= desk.clock.now_ms()
    if row.state is not State.ACTIVE or is_over or statuses != {BudgetStatus.ACTIVE}:
        return SubBudgetStatus.CLOSING
    return SubBudgetStatus.ACTIVE


def _amounts(by_unit: Mapping[Unit, int]) -> list[Amount]:
    return [Amount(unit=unit, amount=by_unit[unit]) for unit in Unit if unit in by_unit]
