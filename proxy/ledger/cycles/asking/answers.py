"""What an authority answers, as far as we read it.

Lenient where the protocol may grow: fields and codes that we do not know are passed over,
and null is as good as nothing. Strict where money depends on it: an answer without what it
must have proves nothing, whatever its status (cycles-protocol-v0.yaml, HEARTBEAT GUIDANCE:
a malformed 2xx is ambiguous).
"""

import re
from typing import Final, TypeVar

import msgspec

from proxy.domain.decision import Caps
from proxy.domain.errors import LedgerUnavailable
from proxy.domain.money import INT64_MAX, INT64_MIN, Unit
from proxy.ledger.cycles.asking.exchange import Answer

_EVIDENCE_ID: Final = re.compile(r"[0-9a-f]{64}")
_EVIDENCE_URL: Final = re.compile(r"https?://[!-~]{1,500}")


class ReadAmount(msgspec.Struct, frozen=True):
    """So much of a unit, which may be one that we do not know."""

    unit: str
    amount: int

    def __post_init__(self) -> None:
        """Raises ValueError beyond int64."""
        if not INT64_MIN <= self.amount <= INT64_MAX:
            raise ValueError("an amount beyond int64")


class ReadBalance(msgspec.Struct, frozen=True):
    """A budget. Some authorities give the last segment as `scope`, the whole as `scope_path`."""

    remaining: ReadAmount
    scope: str = ""
    scope_path: str | None = None
    reserved: ReadAmount | None = None
    spent: ReadAmount | None = None
    debt: ReadAmount | None = None
    allocated: ReadAmount | None = None
    overdraft_limit: ReadAmount | None = None
    is_over_limit: bool | None = None


class ReadCaps(msgspec.Struct, frozen=True):
    """Ceilings, of which any may be missing."""

    max_tokens: int | None = None
    tool_allowlist: tuple[str, ...] | None = None
    tool_denylist: tuple[str, ...] | None = None

    def as_caps(self) -> Caps:
        """The ceilings that can be put on a call."""
        return Caps(
            max_tokens=None if self.max_tokens is None else max(0, self.max_tokens),
            tool_allowlist=self.tool_allowlist or (),
            tool_denylist=self.tool_denylist or (),
        )


class ReadEvidence(msgspec.Struct, frozen=True):
    """Where the authority attests what it decided."""

    evidence_id: str = ""
    cycles_evidence_url: str = ""

    def written(self) -> str:
        """For a header; empty where it is not what the protocol says."""
        if not _EVIDENCE_ID.fullmatch(self.evidence_id):
            return ""
        is_url = _EVIDENCE_URL.fullmatch(self.cycles_evidence_url)
        return f"{self.evidence_id} {self.cycles_evidence_url}" if is_url else self.evidence_id


class ReadDecision(msgspec.Struct, frozen=True):
    """The answer to a reserve, a dry run or a decide."""

    decision: str
    affected_scopes: tuple[str, ...] | None = None
    reservation_id: str | None = None
    reserved: ReadAmount | None = None
    expires_at_ms: int | None = None
    remaining_ttl_ms: int | None = None
    caps: ReadCaps | None = None
    balances: tuple[ReadBalance, ...] | None = None
    reason_code: str | None = None
    cycles_evidence: ReadEvidence | None = None


class ReadCommit(msgspec.Struct, frozen=True):
    """The answer to a commit."""

    status: str
    charged: ReadAmount
    released: ReadAmount | None = None
    balances: tuple[ReadBalance, ...] | None = None


class ReadRelease(msgspec.Struct, frozen=True):
    """The answer to a release."""

    status: str
    released: ReadAmount
    balances: tuple[ReadBalance, ...] | None = None


class ReadExtension(msgspec.Struct, frozen=True):
    """The answer to an extension."""

    status: str
    expires_at_ms: int
    remaining_ttl_ms: int | None = None


class ReadEvent(msgspec.Struct, frozen=True):
    """The answer to an event; `charged` is there where it is less than the actual."""

    status: str
    event_id: str
    charged: ReadAmount | None = None
    balances: tuple[ReadBalance, ...] | None = None


class ReadBalances(msgspec.Struct, frozen=True):
    """A page of balances."""

    balances: tuple[ReadBalance, ...]
    next_cursor: str | None = None
    has_more: bool | None = None


class ReadDetails(msgspec.Struct, frozen=True):
    """What an error may say about itself; ours say which budget was short of what."""

    scope: str | None = None
    unit: str | None = None
    remaining: int | None = None
    expected_units: tuple[str, ...] | None = None


class ReadError(msgspec.Struct, frozen=True):
    """An error. The code may be one that we do not know."""

    error: str = ""
    details: ReadDetails | None = None


Read = TypeVar("Read", bound=msgspec.Struct)

_NO_ERROR: Final = ReadError()


def read_success(answer: Answer, kind: type[Read], *, status: int = 200, says: str = "") -> Read:
    """The answer to what was done. `says`: the one status that its body can have.

    Raises:
        LedgerUnavailable: it is not what the protocol says, so nobody knows.
    """
    if answer.status != status:
        raise _ambiguous()
    try:
        read: Read = msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
        raise _ambiguous() from None
    if says and getattr(read, "status", "") != says:
        raise _ambiguous()
    return read


def read_error(answer: Answer) -> ReadError:
    """What an error says; nothing where it does not speak the protocol."""
    try:
        return msgspec.json.decode(answer.body, type=ReadError)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
        return _without_details(answer.body)


def known_unit(name: str | None) -> Unit | None:
    """The unit of this name, None for one that we do not know."""
    return Unit(name) if name is not None and name in Unit.__members__ else None


class _Code(msgspec.Struct, frozen=True):
    error: str = ""


def _without_details(body: bytes) -> ReadError:
    """Details are anything: those in other shapes than ours do not hide the code."""
    try:
        return ReadError(error=msgspec.json.decode(body, type=_Code).error)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
        return _NO_ERROR


def _ambiguous() -> LedgerUnavailable:
    return LedgerUnavailable("the budget authority answered something else than the protocol says")
