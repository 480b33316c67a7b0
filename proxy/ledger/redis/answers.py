"""What scripts answer, as the ledger's callers read it.

An answer has a code and a body. The body of `OK` is what the operation answers, with what
belongs to it and is not kept with a first answer: the time that is left, what windows are
called. That of a refusal is what an error needs to say. Amounts are decimal text there, and
ints from here on.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NoReturn

import msgspec

from proxy.domain.errors import (
    ActorRequired,
    AmountOutOfRange,
    BudgetRefused,
    CommitRejected,
    ExtensionsExhausted,
    IdempotencyMismatch,
    LedgerError,
    LedgerUnavailable,
    Reason,
    Refused,
    ReservationExpired,
    ReservationFinalized,
    ReservationNotFound,
    Shortage,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.domain.period import Period, parse_period
from proxy.domain.reservation import OnExpiry, State
from proxy.domain.scope import Scope, derive
from proxy.domain.subject import Subject
from proxy.ledger import rules
from proxy.ledger.journal import WindowName
from proxy.ledger.records import (
    Balance,
    BudgetName,
    BudgetStatus,
    Forecast,
    Grant,
    Reservation,
    Settlement,
    TenantStatus,
)

Body = Mapping[str, Any]

UNITS: Final = {unit.value: unit for unit in Unit}
_STATES: Final = {state.value: state for state in State}
_STATUSES: Final = {status.value: status for status in BudgetStatus}


class Call(msgspec.Struct, frozen=True):
    """What a row keeps of its call for its readers; no script looks into it."""

    subject: Subject
    action_kind: str
    action_name: str
    metadata: Mapping[str, str]


_encode: Final = msgspec.json.Encoder().encode
_decode_call: Final = msgspec.json.Decoder(Call).decode
_decode_metadata: Final = msgspec.json.Decoder(dict[str, str]).decode


def written_call(
    subject: Subject, action_kind: str, action_name: str, metadata: Mapping[str, str]
) -> str:
    """The call as its row keeps it."""
    return _encode(Call(subject, action_kind, action_name, metadata)).decode()


def written_metadata(metadata: Mapping[str, str]) -> str:
    """Metadata as a row keeps it."""
    return _encode(metadata).decode()


def amounts(texts: Mapping[str, str]) -> dict[Unit, int]:
    """Amounts by unit."""
    return {UNITS[unit]: int(text) for unit, text in texts.items()}


@lru_cache(maxsize=4096)
def _window(name: str) -> tuple[Scope, Unit, Period, int, int | None]:
    scope, unit, period, start_ms, end_ms = name.split(" ")
    ends = int(end_ms) if end_ms != "-" else None
    return Scope(scope), UNITS[unit], parse_period(period), int(start_ms), ends


def window_name(name: str) -> WindowName:
    """A window, as the journal calls it."""
    return WindowName(*_window(name)[:4])


def _balance(values: Sequence[Any], name: str) -> Balance:
    return Balance(
        *_window(name),
        int(values[1]),
        int(values[2]),
        int(values[3]),
        int(values[4]),
        int(values[5]),
        int(values[6]),
        int(values[7]),
        values[8],
        _STATUSES[values[9]],
        values[10],
    )


def balances(body: Body) -> tuple[Balance, ...]:
    """The balances of an answer, in their order."""
    return tuple(map(_balance, body["balances"], body["names"]))


def grant(body: Body, affected_scopes: tuple[Scope, ...]) -> Grant:
    """A hold that was made or raised."""
    return Grant(
        reservation_id=body["id"],
        rung=body["rung"],
        amounts=amounts(body["amounts"]),
        expires_at_ms=body["expires_ms"],
        remaining_ttl_ms=body["left_ms"],
        affected_scopes=affected_scopes,
        balances=balances(body),
        annotation=body.get("annotation", ""),
    )


def forecast(body: Body, affected_scopes: tuple[Scope, ...]) -> Forecast:
    """What a hold would be."""
    return Forecast(
        rung=body["rung"],
        amounts=amounts(body["amounts"]),
        affected_scopes=affected_scopes,
        balances=balances(body),
    )


def settlement(body: Body) -> Settlement:
    """How a hold ended."""
    return Settlement(
        state=_STATES[body["state"]],
        charged=amounts(body["charged"]),
        released=amounts(body["released"]),
        uncovered=amounts(body["uncovered"]),
        balances=balances(body),
    )


def reservation(tenant: str, row: Body) -> Reservation:
    """A row as operators see it."""
    made, stands, call = row["made"], row["stands"], _decode_call(row["call"])
    charged, settled_metadata = stands.get("charged"), row["settled_metadata"]
    return Reservation(
        reservation_id=row["id"],
        key=row["key"],
        tenant=tenant,
        state=_STATES[row["state"]],
        subject=call.subject,
        scope_path=Scope(row["scope"]),
        affected_scopes=derive(call.subject),
        action_kind=call.action_kind,
        action_name=call.action_name,
        amounts=amounts(stands["amounts"]),
        charged=amounts(charged) if charged is not None else None,
        uncovered=amounts(stands["uncovered"]),
        estimated=stands.get("estimated", False),
        dispatched=row["dispatched"],
        on_expiry=OnExpiry(made.get("on_expiry", OnExpiry.UNCERTAIN)),
        created_at_ms=made["created_ms"],
        expires_at_ms=stands["expires_ms"],
        finalized_at_ms=stands.get("finalized_ms"),
        trace_id=row["trace_id"],
        price_version=row["price_version"],
        metadata=call.metadata,
        settled_metadata=_decode_metadata(settled_metadata) if settled_metadata else {},
        is_event=made.get("is_event", False),
    )


def tenant_status(tenant: str, status: str) -> TenantStatus:
    """Whether a tenant may spend.

    Raises:
        LedgerUnavailable: what is written there is no status.
    """
    try:
        return TenantStatus(status)
    except ValueError:
        raise LedgerUnavailable(f"what is written as the status of {tenant} is none") from None


def refuse(code: str, body: Body, what: str) -> NoReturn:
    """Raise what a refusal means, for an operation on `what`."""
    raise _REFUSALS[code](body, what)


def _budget_refused(body: Body, what: str) -> BudgetRefused:
    return BudgetRefused(
        Reason(body["reason"]),
        Shortage(
            scope=body["scope"],
            unit=UNITS[body["unit"]],
            required=int(body["required"]),
            remaining=int(body["remaining"]),
            resets_at_ms=body["resets_at_ms"] or None,
            rolling_ms=body["rolling_ms"],
        ),
    )


def no_budget(what: str) -> Refused:
    """No scope of the subject has a budget, or there is none of this name."""
    return Refused(
        Reason.BUDGET_NOT_FOUND,
        f"No budget covers {what}. Declare one for it, or for a scope above it.",
    )


def _template_limit(body: Body, what: str) -> Refused:
    most = body["templates_max"]
    return Refused(
        Reason.TEMPLATE_LIMIT,
        f"{body['scope']} would be budget number {most + 1} made by templates, and "
        f"templates_max is {most}. Do not retry.",
    )


def _refuse_tenant(body: Body, what: str) -> NoReturn:
    tenant = body["tenant"]
    rules.check_new(tenant, tenant_status(tenant, body["status"]))
    raise AssertionError("an active tenant is refused nothing")


def _rejected(body: Body, what: str) -> CommitRejected:
    rejected = CommitRejected(f"the actual is above the hold of {what}")
    rejected.reason = Reason(body["reason"])
    return rejected


_REFUSALS: Final[Mapping[str, Callable[[Body, str], LedgerError | Refused]]] = {
    "BUDGET": _budget_refused,
    "NO_BUDGET": lambda _, what: no_budget(what),
    "NO_UNIT": lambda _, what: UnitMismatch(f"no budget of {what} is in a unit of the plan"),
    "TEMPLATE_LIMIT": _template_limit,
    "OUT_OF_RANGE": lambda body, _: AmountOutOfRange(
        f"{body['scope']}: an amount would leave int64"
    ),
    "NOT_FOUND": lambda _, what: ReservationNotFound(f"there is no reservation {what}"),
    "FINALIZED": lambda body, _: ReservationFinalized(body["state"]),
    "EXPIRED": lambda _, what: ReservationExpired(f"the lease of {what} is over"),
    "EXHAUSTED": lambda body, what: ExtensionsExhausted(
        f"{what} was extended {body['extensions']} times already"
    ),
    "UNITS": lambda _, what: UnitMismatch(f"the amounts are in other units than those of {what}"),
    "ACTOR": lambda _, what: ActorRequired(f"{what} is uncertain: only a person gives it up"),
    "MISMATCH": lambda _, what: IdempotencyMismatch(f"a key of {what} came with another payload"),
    "REJECTED": _rejected,
    "TENANT": _refuse_tenant,
}


def budget_name(values: Sequence[str]) -> BudgetName:
    """A budget's name, from its values in their order."""
    scope, unit, period = values
    return BudgetName(Scope(scope), UNITS[unit], parse_period(period))
