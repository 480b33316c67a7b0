"""What the step `reserve` makes of a call that has a key: one hold, or none."""

import pytest
from msgspec.structs import replace

from proxy.domain.errors import IdempotencyMismatch, LedgerUnavailable, Reason, Refused
from proxy.domain.reservation import Overage
from proxy.domain.subject import Subject
from proxy.gateway.dedupe.denials import Denials
from proxy.gateway.identify import CallKey
from proxy.gateway.reserve import HoldRules, Reserver
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Queue
from proxy.ledger.records import Grant
from proxy.observe.metrics import Metrics
from tests.e2e.stack import ListLog
from tests.gateway.queue.test_reserver import GRANT, PLAN, Door, Scripted
from tests.simulation.rig.virtual import VirtualTime

KEY = CallKey("idem_1", 2, "of the body", "mine")


class LetsAllLeave:
    """Where calls without a hold are written down: none with a key may come here."""

    async def let_leave(self, *_: object, **__: object) -> Grant:
        raise AssertionError("it left without a hold")


async def reserve(answer: Grant | Exception) -> tuple[Grant, Scripted]:
    ledger, time = Scripted([answer]), VirtualTime()
    reserver = Reserver(
        ledger,  # type: ignore[arg-type]
        Leases(ledger, ListLog(), ttl_ms=60_000),  # type: ignore[arg-type]
        Denials(time),
        Queue(),
        HoldRules(60_000, 50, Overage.ALLOW_IF_AVAILABLE, None),
        Metrics(),
        time,
        LetsAllLeave(),  # type: ignore[arg-type]
    )
    grant = await reserver.reserve(
        Subject(tenant="dev"),
        PLAN,  # type: ignore[arg-type]
        name="idem_1/2",
        key=KEY,
        trace_id="t",
        door=Door(),  # type: ignore[arg-type]
        on_waited=lambda _: None,
    )
    return grant, ledger


async def test_the_ledger_is_asked_under_the_key_and_its_attempt() -> None:
    grant, ledger = await reserve(replace(GRANT, annotation="mine"))

    (asked,) = ledger.asked
    assert (asked.key, asked.payload_hash, asked.annotation) == ("idem_1/2", "of the body", "mine")
    assert grant.annotation == "mine"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (replace(GRANT, annotation="another's"), Reason.IDEMPOTENCY_ANSWER_GONE),
        (GRANT, Reason.IDEMPOTENCY_ANSWER_GONE),
        (IdempotencyMismatch("idem_1/2"), Reason.IDEMPOTENCY_MISMATCH),
        (LedgerUnavailable("away"), Reason.AUTHORITY_UNAVAILABLE),
    ],
)
async def test_what_may_have_been_made_before_does_not_leave(
    answer: Grant | Exception, reason: Reason
) -> None:
    with pytest.raises(Refused) as refused:
        await reserve(answer)

    assert refused.value.reason is reason
