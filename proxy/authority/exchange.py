"""A request of the protocol and its answer, without a socket."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from proxy.authority.auth import Access
from proxy.authority.errors import Problem
from proxy.authority.sub_budgets.book import SubBudgets
from proxy.authority.sub_budgets.wire import SubBudgetCreateRequest
from proxy.cycles_wire import headers, requests
from proxy.cycles_wire.errors import ErrorCode
from proxy.cycles_wire.reading import MalformedRequest, read_request
from proxy.domain.clock import Clock
from proxy.ledger.protocol import Books, Ledger
from proxy.policies import Policies

MAX_BODY_BYTES: Final = 1_048_576
"""No request of the protocol needs more; metadata is the only part without a bound of its own."""

Keyed = TypeVar(
    "Keyed",
    requests.DecisionRequest,
    requests.ReservationCreateRequest,
    requests.CommitRequest,
    requests.ReleaseRequest,
    requests.ReservationExtendRequest,
    requests.EventCreateRequest,
    SubBudgetCreateRequest,
)


class Incoming(Protocol):
    """One request as a socket, or a test, hands it over."""

    method: str
    path: str
    query: str

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        ...

    async def body(self) -> bytes:
        """The whole body, within its limits.

        Raises:
            Refused: REQUEST_TOO_LARGE, REQUEST_TIMEOUT, INVALID_REQUEST.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in one piece."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AuthorityLedger(Ledger, Books, Protocol):
    """What the authority needs of a ledger: holds, and the books that show them."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every operation works with."""

    ledger: AuthorityLedger
    policies: Policies
    sub_budgets: SubBudgets
    clock: Clock


@dataclass(frozen=True, slots=True)
class Call:
    """One request whose caller is known. `reservation_id` is the one in its path, or empty.

    `secret` is that of the key, for what follows from it; it is written nowhere.
    """

    access: Access
    trace_id: str
    reservation_id: str = ""
    query: str = ""
    body: bytes = b""
    idempotency_key: str | None = None
    secret: str = field(default="", repr=False)

    def read(self, kind: type[Keyed]) -> Keyed:
        """The request that the body is.

        Raises:
            Problem: INVALID_REQUEST, when it is none, or another key stands in the header.
        """
        try:
            request = read_request(self.body, kind)
        except MalformedRequest as malformed:
            raise Problem(ErrorCode.INVALID_REQUEST, str(malformed)) from None
        if self.idempotency_key not in (None, request.idempotency_key):
            raise Problem(
                ErrorCode.INVALID_REQUEST,
                f"The key in {headers.IDEMPOTENCY_KEY} is not the idempotency_key of the body.",
            )
        return request
