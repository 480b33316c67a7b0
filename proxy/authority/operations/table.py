"""Which operation answers where, and what it takes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from proxy.authority.exchange import Call, Desk
from proxy.authority.operations.balances import get_balances
from proxy.authority.operations.decide import decide
from proxy.authority.operations.events import create_event
from proxy.authority.operations.introspect import AuthIntrospectResponse, introspect
from proxy.authority.operations.listing import get_reservation, list_reservations
from proxy.authority.operations.reserve import reserve
from proxy.authority.operations.settle import commit, extend, release
from proxy.cycles_wire import requests, responses
from proxy.domain.key import Permission

RESERVATION_ID: Final = "{reservation_id}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `name` is the protocol's operationId; `permission` None: any key may."""

    name: str
    method: str
    path: str
    run: Callable[[Desk, Call], Awaitable[bytes]]
    permission: Permission | None
    request: type[Any] | None
    response: type[Any]
    status: int = 200


OPERATIONS: Final = (
    Operation(
        "decide", "POST", "/v1/decide", decide,
        Permission.RESERVATIONS_CREATE, requests.DecisionRequest, responses.DecisionResponse,
    ),
    Operation(
        "createReservation", "POST", "/v1/reservations", reserve,
        Permission.RESERVATIONS_CREATE,
        requests.ReservationCreateRequest, responses.ReservationCreateResponse,
    ),
    Operation(
        "listReservations", "GET", "/v1/reservations", list_reservations,
        Permission.RESERVATIONS_LIST, None, responses.ReservationListResponse,
    ),
    Operation(
        "getReservation", "GET", f"/v1/reservations/{RESERVATION_ID}", get_reservation,
        Permission.RESERVATIONS_LIST, None, responses.ReservationDetail,
    ),
    Operation(
        "commitReservation", "POST", f"/v1/reservations/{RESERVATION_ID}/commit", commit,
        Permission.RESERVATIONS_COMMIT, requests.CommitRequest, responses.CommitResponse,
    ),
    Operation(
        "releaseReservation", "POST", f"/v1/reservations/{RESERVATION_ID}/release", release,
        Permission.RESERVATIONS_RELEASE, requests.ReleaseRequest, responses.ReleaseResponse,
    ),
    Operation(
        "extendReservation", "POST", f"/v1/reservations/{RESERVATION_ID}/extend", extend,
        Permission.RESERVATIONS_EXTEND,
        requests.ReservationExtendRequest, responses.ReservationExtendResponse,
    ),
    Operation(
        "getBalances", "GET", "/v1/balances", get_balances,
        Permission.BALANCES_READ, None, responses.BalanceResponse,
    ),
    Operation(
        "createEvent", "POST", "/v1/events", create_event,
        Permission.EVENTS_CREATE, requests.EventCreateRequest, responses.EventCreateResponse,
        status=201,
    ),
    Operation(
        "introspectAuth", "GET", "/v1/auth/introspect", introspect,
        None, None, AuthIntrospectResponse,
    ),
)  # fmt: skip
