"""The official client for Python, unchanged, against a listener.

It takes a success only for one if every field of it is of the protocol: docs of runcycles 0.5.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from runcycles import (  # type: ignore[import-untyped]
    Action,
    Amount,
    AsyncCyclesClient,
    BudgetExceededError,
    CommitRequest,
    CyclesClient,
    CyclesConfig,
    DecisionRequest,
    DryRunResult,
    ReservationCreateRequest,
    Subject,
    Unit,
    cycles,
    get_cycles_context,
)
from runcycles.lifecycle import _schema_valid_extend  # type: ignore[import-untyped]
from runcycles.models import (  # type: ignore[import-untyped]
    BalanceResponse,
    DecisionResponse,
    EventCreateResponse,
    ReleaseResponse,
    ReservationCreateResponse,
    ReservationDetail,
)
from runcycles.retry import _is_schema_valid_commit_success  # type: ignore[import-untyped]

from proxy.domain.money import Unit as LedgerUnit
from proxy.domain.reservation import State
from tests.authority.clients.listener import SECRET, Listener, listening

USD = LedgerUnit.USD_MICROCENTS
MAIL = Action(kind="message.email", name="newsletter")
SUBJECT = Subject(tenant="dev", agent="mailer")

Result = TypeVar("Result")
Function = TypeVar("Function", bound=Callable[..., Any])


def guarded(client: object, **options: Any) -> Callable[[Function], Function]:
    """The client's decorator, which says nothing of types."""
    decorate: Callable[[Function], Function] = cycles(client=client, **options)
    return decorate


def config(listener: Listener, folder: Path) -> CyclesConfig:
    return CyclesConfig(
        base_url=listener.url, api_key=SECRET, tenant="dev", journal_dir=str(folder / "journal")
    )


def amount(microcents: int) -> Amount:
    return Amount(unit=Unit.USD_MICROCENTS, amount=microcents)


def reservation(key: str, microcents: int, **more: Any) -> ReservationCreateRequest:
    return ReservationCreateRequest(
        idempotency_key=key, subject=SUBJECT, action=MAIL, estimate=amount(microcents), **more
    )


async def with_client(
    listener: Listener, folder: Path, work: Callable[[CyclesClient], Result]
) -> Result:
    """Work with the blocking client, away from the loop that answers it."""

    def run() -> Result:
        with CyclesClient(config(listener, folder)) as client:
            return work(client)

    return await asyncio.to_thread(run)


async def test_each_operation_is_one_that_the_client_believes(
    listener: Listener, tmp_path: Path
) -> None:
    def work(client: CyclesClient) -> None:
        made = client.create_reservation(reservation("a", 1_000, metadata={"campaign": 7}))
        assert made.status == 200
        held = ReservationCreateResponse.model_validate(made.body).reservation_id
        assert held is not None
        again = client.create_reservation(reservation("a", 1_000, metadata={"campaign": 7}))
        assert again.get_body_attribute("reservation_id") == held

        extended = client.extend_reservation(held, {"idempotency_key": "e", "extend_by_ms": 9})
        assert _schema_valid_extend(extended) is not None
        detail = ReservationDetail.model_validate(client.get_reservation(held).body)
        assert (detail.status, detail.metadata) == ("ACTIVE", {"campaign": 7})
        committed = client.commit_reservation(
            held, CommitRequest(idempotency_key="c", actual=amount(800))
        )
        assert _is_schema_valid_commit_success(committed)
        assert committed.get_body_attribute("released")["amount"] == 200

        other = client.create_reservation(reservation("b", 500)).get_body_attribute(
            "reservation_id"
        )
        released = client.release_reservation(other, {"idempotency_key": "r"})
        assert ReleaseResponse.model_validate(released.body).released.amount == 500

        decided = client.decide(
            DecisionRequest(
                idempotency_key="d", subject=SUBJECT, action=MAIL, estimate=amount(10**9)
            )
        )
        assert DecisionResponse.model_validate(decided.body).decision == "DENY"
        event = client.create_event(
            {
                "idempotency_key": "v",
                "subject": {"tenant": "dev"},
                "action": {"kind": "http.get", "name": "x"},
                "actual": {"unit": "USD_MICROCENTS", "amount": 5},
            }
        )
        assert event.status == 201
        EventCreateResponse.model_validate(event.body)
        found = BalanceResponse.model_validate(client.get_balances(tenant="dev").body)
        assert found.balances[0].remaining.amount == 100_000_000 - 805
        # The client's own model of a row lacks two fields that the protocol has had since.
        listed = client.list_reservations(tenant="dev", sort_by="reserved", limit="1").body
        assert listed["has_more"]
        assert listed["reservations"][0]["reserved"]["amount"] == 1_000

    await with_client(listener, tmp_path, work)


async def test_the_client_that_waits_for_nobody(listener: Listener, tmp_path: Path) -> None:
    async with AsyncCyclesClient(config(listener, tmp_path)) as client:
        made = await client.create_reservation(reservation("a", 1_000))
        held = ReservationCreateResponse.model_validate(made.body).reservation_id
        assert held is not None
        committed = await client.commit_reservation(
            held, CommitRequest(idempotency_key="c", actual=amount(1_000))
        )
        assert _is_schema_valid_commit_success(committed)
        refused = await client.create_reservation(reservation("b", 10**9))
        assert (refused.status, refused.body["error"]) == (409, "BUDGET_EXCEEDED")
    assert (await listener.only_row()).state is State.COMMITTED


async def test_a_decorated_function_reserves_and_commits(
    listener: Listener, tmp_path: Path
) -> None:
    def work(client: CyclesClient) -> str:
        @guarded(
            client,
            estimate=lambda words: words * 10,
            actual=lambda text: len(text),
            action_kind="llm.completion",
            action_name="gpt-4o",
            agent="writer",
        )
        def write(words: int) -> str:
            context = get_cycles_context()
            assert context is not None
            assert context.scope_path == "tenant:dev/agent:writer"
            return "x" * words

        return write(40)

    assert len(await with_client(listener, tmp_path, work)) == 40
    row = await listener.only_row()
    assert (row.state, row.amounts[USD], row.charged) == (State.COMMITTED, 400, {USD: 40})


async def test_a_decorated_coroutine_gives_back_what_it_did_not_use(
    listener: Listener, tmp_path: Path
) -> None:
    async with AsyncCyclesClient(config(listener, tmp_path)) as client:

        @guarded(client, estimate=400, action_kind="a", action_name="b")
        async def fail() -> None:
            raise LookupError

        with pytest.raises(LookupError):
            await fail()
    assert (await listener.only_row()).state is State.RELEASED


async def test_a_decorated_function_does_not_run_when_it_is_denied(
    listener: Listener, tmp_path: Path
) -> None:
    def work(client: CyclesClient) -> list[object]:
        ran: list[object] = []

        @guarded(client, estimate=10**9, action_kind="a", action_name="b")
        def never() -> None:
            ran.append(never)

        with pytest.raises(BudgetExceededError) as denied:
            never()
        assert denied.value.status == 409
        return ran

    assert await with_client(listener, tmp_path, work) == []


async def test_a_dry_run_of_the_decorator_runs_nothing(listener: Listener, tmp_path: Path) -> None:
    def work(client: CyclesClient) -> object:
        @guarded(client, estimate=400, action_kind="a", action_name="b", dry_run=True)
        def never() -> object:
            raise AssertionError

        result: object = never()
        return result

    result = await with_client(listener, tmp_path, work)
    assert isinstance(result, DryRunResult)
    assert await listener.rows() == ()


async def test_a_stream_is_kept_alive_and_committed(listener: Listener, tmp_path: Path) -> None:
    """With a short lease the client extends at once: its margin is larger than the lease."""
    async with (
        AsyncCyclesClient(config(listener, tmp_path)) as client,
        client.stream_reservation(
            subject=SUBJECT,
            action=MAIL,
            estimate=amount(5_000),
            ttl_ms=20_000,
            cost_fn=lambda usage: usage.tokens_output * 100,
        ) as stream,
    ):
        await listener.stack.log.until("authority_request", 2)
        stream.usage.add_output_tokens(30)
    lines = listener.stack.log.events("authority_request")
    assert [line["status"] for line in lines] == [200] * len(lines)
    operations = [line["operation"] for line in lines]
    assert operations[:2] == ["createReservation", "extendReservation"]
    assert operations[-1] == "commitReservation"
    row = await listener.only_row()
    assert (row.state, row.charged) == (State.COMMITTED, {USD: 3_000})


async def test_a_stream_that_fails_is_released(listener: Listener, tmp_path: Path) -> None:
    def work(client: CyclesClient) -> None:
        with (
            pytest.raises(LookupError),
            client.stream_reservation(
                subject=SUBJECT, action=MAIL, estimate=amount(5_000), ttl_ms=120_000
            ),
        ):
            raise LookupError

    await with_client(listener, tmp_path, work)
    assert (await listener.only_row()).state is State.RELEASED


async def test_caps_reach_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    policies = [
        {
            "name": "thrift",
            "scope": "tenant:dev/*",
            "caps": {"max_tokens": 500, "tool_denylist": ["web_search"]},
        }
    ]
    async with listening(tmp_path, policies=policies) as listener:

        def work(client: CyclesClient) -> None:
            with client.stream_reservation(
                subject=SUBJECT, action=MAIL, estimate=amount(5_000), ttl_ms=120_000
            ) as stream:
                assert stream.decision == "ALLOW_WITH_CAPS"
                assert stream.caps is not None
                assert stream.caps.max_tokens == 500
                assert not stream.caps.is_tool_allowed("web_search")

        await with_client(listener, tmp_path, work)
