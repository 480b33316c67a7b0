"""The program as operators run it: start, drain, kill -9, reload, and what it refuses to do."""

import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.money import MICROCENTS_PER_USD
from proxy.domain.reservation import State
from proxy.domain.subject import Subject
from proxy.ledger.records import FundOperation, Reservation, ReserveRequest, Span
from simulator.behaviour import Behaviour, Hang
from simulator.server import Simulator
from tests.e2e.program import (
    Died,
    Program,
    books_of,
    ran,
    replace_config,
    serving,
    write_config,
)
from tests.e2e.stack import BUDGET, EVERYTHING, TENANT, USD, charged, held
from tests.e2e.wire import (
    PATIENCE_S,
    answered,
    call,
    connected,
    encode,
    exchange,
    read_answer,
    request_bytes,
)

BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Say something."}],
}
STREAM = BODY | {"stream": True}
SLACK_S = 5.0


async def rows_of(folder: Path) -> tuple[Reservation, ...]:
    async with books_of(folder) as books:
        return await books.reservations(states=frozenset(State), limit=EVERYTHING)


async def assert_sound(folder: Path, simulator: Simulator) -> None:
    """The books add up, and no call was free or charged twice."""
    async with books_of(folder) as books:
        audit = await books.verify()
    assert audit.differences == ()
    assert (audit.charged, audit.uncovered) == (simulator.total_microcents, 0)


async def until_it_takes_no_more(url: str) -> None:
    """Until nobody listens any more."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with connected(url):
                    pass
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                continue  # it was let go of while nobody had taken it


async def test_a_program_that_ends_at_its_start_is_not_waited_for(tmp_path: Path) -> None:
    """A test that waits for it fails with its words, and not with a timeout."""
    file = write_config(tmp_path, "http://127.0.0.1:1/v1", listen={"proxy": "nowhere"})

    with pytest.raises(ExceptionGroup) as failure:
        async with serving(file):
            raise AssertionError("it cannot serve")

    assert failure.group_contains(Died, match=r"(?s)ended with code 1 and said:.*listen\.proxy")


async def test_it_says_where_it_listens_and_serves(tmp_path: Path, simulator: Simulator) -> None:
    async with serving(write_config(tmp_path, simulator.base_url)) as proxy:
        (ready,) = proxy.errors.lines
        answer = await answered(proxy.base_url, BODY)
        health = read_answer(
            await exchange(proxy.admin_url, request_bytes(method="GET", path="/readyz"))
        )
        proxy.signal(signal.SIGTERM)
        code = await proxy.until_it_ends()

    assert ready == f"Spendgate is ready: OPENAI_BASE_URL={proxy.base_url}"
    assert answer.status == 200
    assert health is not None
    assert health.json()["status"] in ("UP", "DOWN")
    assert code == 0
    assert [line["decision"] for line in proxy.events("call")] == ["ALLOW"]
    assert proxy.events("stopped")
    assert "Say something" not in str(proxy.log.lines) + str(proxy.errors.lines)
    await assert_sound(tmp_path, simulator)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_calls_in_flight_finish_before_it_ends(
    tmp_path: Path, simulator: Simulator, number: signal.Signals
) -> None:
    """Late calls, on connections that are kept open, are told to go elsewhere."""
    simulator.script(
        Behaviour(),
        Behaviour(gate="json"),
        Behaviour(hang=Hang(at="event", after=3, gate="stream")),
    )
    async with (
        serving(write_config(tmp_path, simulator.base_url)) as proxy,
        connected(proxy.base_url) as kept,
        asyncio.TaskGroup() as tasks,
    ):
        await kept.send(request_bytes(encode(BODY), keep_alive=True))
        await kept.read_until(b"}}}")
        json_call = tasks.create_task(answered(proxy.base_url, BODY))
        await simulator.until(lambda: simulator.in_flight == 1)
        stream = tasks.create_task(answered(proxy.base_url, STREAM))
        await simulator.until(lambda: simulator.in_flight == 2)

        proxy.signal(number)
        await until_it_takes_no_more(proxy.base_url)
        await kept.send(request_bytes(encode(BODY)))
        late = read_answer(await kept.read_all())
        simulator.open_gate("json")
        simulator.open_gate("stream")
        code = await proxy.until_it_ends()

    assert late is not None
    assert (late.status, late.error()["code"]) == (503, "overloaded")
    assert json_call.result().whole
    assert stream.result().whole
    assert stream.result().body.endswith(b"data: [DONE]\n\n")
    assert code == 0
    assert not proxy.events("hanging_up")
    assert len(simulator.bills) == 3
    await assert_sound(tmp_path, simulator)


async def test_a_hung_upstream_does_not_keep_it(tmp_path: Path, simulator: Simulator) -> None:
    """What is left after `shutdown_ms` is settled as if its caller had left."""
    simulator.script(
        Behaviour(gate="never"),
        Behaviour(hang=Hang(at="event", after=0)),
        Behaviour(hang=Hang(at="event", after=3)),
    )
    config = write_config(tmp_path, simulator.base_url, shutdown_ms=300)
    async with serving(config) as proxy, asyncio.TaskGroup() as tasks:
        for number, body in enumerate([BODY, BODY, STREAM], start=1):
            tasks.create_task(call(proxy.base_url, body))
            await simulator.until(lambda number=number: simulator.in_flight == number)  # type: ignore[misc]
        await simulator.until(lambda: simulator.bills[2].output.text_tokens == 2)
        proxy.signal(signal.SIGTERM)
        code = await proxy.until_it_ends(0.3 + SLACK_S)

    assert code == 0
    assert [line["calls"] for line in proxy.events("hanging_up")] == [3]
    stream, cut_json, no_status = await rows_of(tmp_path)
    assert (no_status.state, cut_json.state) == (State.UNCERTAIN, State.UNCERTAIN)
    assert (stream.state, stream.estimated) == (State.COMMITTED, True)
    assert charged(stream) >= simulator.bills[2].amount_microcents
    async with books_of(tmp_path) as books:
        (balance,) = await books.all_balances()
        assert balance.reserved == balance.uncertain == held(no_status) + held(cut_json)
        assert (await books.verify()).differences == ()


async def test_after_kill_9_no_call_is_free_and_nothing_is_held_for_ever(
    tmp_path: Path, simulator: Simulator
) -> None:
    """Field-report 12, and what others forgot: the spend, or 78 % of a budget locked for good."""
    hung = Behaviour(hang=Hang(at="event", after=3))
    simulator.behave(lambda request: hung if request.stream else Behaviour(gate="never"))
    config = write_config(tmp_path, simulator.base_url)
    async with serving(config) as proxy, asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(call(proxy.base_url, STREAM if number % 2 else BODY))
        await simulator.until(lambda: simulator.in_flight == 8)
        await leave_an_undispatched_hold(tmp_path)
        proxy.signal(signal.SIGKILL)
        await proxy.until_it_ends()
    killed = await rows_of(tmp_path)
    await simulator.until(lambda: simulator.in_flight == 0)

    async with serving(config) as proxy:
        recovered = proxy.events("recovered")
        proxy.signal(signal.SIGTERM)
        await proxy.until_it_ends()
    found = {row.reservation_id: row for row in await rows_of(tmp_path)}

    assert {row.state for row in killed} == {State.ACTIVE}
    assert [(line["released"], line["uncertain"]) for line in recovered] == [(1, 8)]
    for row in killed:
        expected = State.UNCERTAIN if row.dispatched else State.RELEASED
        assert found[row.reservation_id].state is expected
    left = sum(map(held, (row for row in killed if row.dispatched)))
    async with books_of(tmp_path) as books:
        (balance,) = await books.all_balances()
        assert balance.reserved == balance.uncertain == left >= simulator.total_microcents
        assert (await books.verify()).differences == ()

    replace_config(config, "upstreams:", "settle: {uncertain_after_ms: 1000}\nupstreams:")
    async with serving(config) as proxy:
        await proxy.until("uncertain_charged", 8)
        proxy.signal(signal.SIGTERM)
        await proxy.until_it_ends()
    async with books_of(tmp_path) as books:
        (balance,) = await books.all_balances()
        assert (balance.reserved, balance.spent) == (0, left)
        assert (await books.verify()).differences == ()


async def leave_an_undispatched_hold(folder: Path) -> None:
    """What a proxy leaves that is killed between its hold and its request."""
    async with books_of(folder) as books:
        await books.reserve(
            ReserveRequest(
                key="killed in between",
                payload_hash="",
                subject=Subject(tenant="dev"),
                plan=({USD: Span(1_000, 1_000)},),
                ttl_ms=60_000,
            )
        )


async def test_a_second_one_on_the_same_ledger_does_not_start(
    tmp_path: Path, simulator: Simulator
) -> None:
    config = write_config(tmp_path, simulator.base_url)
    async with serving(config):
        code, said = await ran("serve", "-c", str(config))

    assert code == 1
    (sentence,) = said.splitlines()
    assert sentence.startswith("spendgate: another process serves from this ledger")


async def test_a_port_that_is_taken_is_named(tmp_path: Path, simulator: Simulator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listen = {"proxy": f"127.0.0.1:{port}", "authority": "127.0.0.1:0", "admin": "127.0.0.1:0"}
        config = write_config(tmp_path, simulator.base_url, listen=listen)
        code, said = await ran("serve", "-c", str(config))

    assert code == 1
    (sentence,) = said.splitlines()
    assert sentence.startswith("spendgate: ")
    assert str(port) in sentence
    assert "address already in use" in sentence


async def test_a_ledger_that_cannot_be_opened_is_said_in_a_sentence(
    tmp_path: Path, simulator: Simulator
) -> None:
    ledger = {"url": f"sqlite:///{tmp_path / 'missing' / 'ledger.db'}"}
    config = write_config(tmp_path, simulator.base_url, ledger=ledger)

    code, said = await ran("serve", "-c", str(config))

    assert code == 1
    (sentence,) = said.splitlines()
    assert "directory" in sentence


@pytest.mark.parametrize("arguments", [[], ["-c", "a.yaml", "--budget", "5.00"]], ids=str)
async def test_without_a_budget_it_says_how_to_give_one(arguments: list[str]) -> None:
    code, said = await ran("serve", *arguments)

    assert code == 2
    assert "--budget" in said


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("$100.00", "$-1.00", "budgets[0].allocated"),
        ("scope: tenant:dev", "scope: tenant:d@v", "budgets[0].scope"),
        (
            "upstreams:",
            "pricing: {overrides: [{model: m, input_per_mtok: .nan}]}\nupstreams:",
            "pricing.overrides[0].input_per_mtok",
        ),
    ],
)
async def test_a_bad_configuration_does_not_start(
    tmp_path: Path, simulator: Simulator, old: str, new: str, path: str
) -> None:
    config = write_config(tmp_path, simulator.base_url)
    replace_config(config, old, new)

    code, said = await ran("serve", "-c", str(config))

    assert code == 1
    assert path in said
    assert str(config) in said
    assert "Traceback" not in said
    assert not (tmp_path / "ledger.db").exists()


async def allocated(folder: Path) -> int:
    async with books_of(folder) as books:
        return next(b.allocated for b in await books.all_balances() if b.scope == TENANT)


async def reload(proxy: Program, count: int, event: str) -> None:
    proxy.signal(signal.SIGHUP)
    await proxy.until(event, count)


async def test_a_reload_moves_a_budget_by_the_difference_and_a_bad_file_changes_nothing(
    tmp_path: Path, simulator: Simulator
) -> None:
    config = write_config(tmp_path, simulator.base_url)
    async with serving(config) as proxy:
        await answered(proxy.base_url, BODY)
        async with books_of(tmp_path) as books:
            by_hand = 5 * MICROCENTS_PER_USD
            await books.fund(BUDGET, FundOperation.CREDIT, by_hand, actor="operator")

        replace_config(config, "$100.00", "$150.00")
        await reload(proxy, 1, "reloaded")
        assert await allocated(tmp_path) == 155 * MICROCENTS_PER_USD
        await reload(proxy, 2, "reloaded")
        assert await allocated(tmp_path) == 155 * MICROCENTS_PER_USD

        replace_config(config, "$150.00", "much")
        await reload(proxy, 1, "reload_failed")
        assert "budgets[0].allocated" in await proxy.until_it_says("allocated")
        assert await allocated(tmp_path) == 155 * MICROCENTS_PER_USD
        assert (await answered(proxy.base_url, BODY)).status == 200

        replace_config(config, "much", "$0.00")
        await reload(proxy, 3, "reloaded")
        assert await allocated(tmp_path) == 5 * MICROCENTS_PER_USD


async def test_a_reload_leaves_calls_in_flight_under_what_they_began_with(
    tmp_path: Path, simulator: Simulator
) -> None:
    """An operator lowers a budget below what is held: what is in flight ends and is charged."""
    simulator.behave(Behaviour(gate="later"))
    config = write_config(tmp_path, simulator.base_url)
    async with serving(config) as proxy, asyncio.TaskGroup() as tasks:
        begun = tasks.create_task(answered(proxy.base_url, BODY))
        await simulator.until(lambda: simulator.in_flight == 1)
        replace_config(config, "$100.00", "$0.00")
        await reload(proxy, 1, "reloaded")
        refused = await answered(proxy.base_url, BODY)
        simulator.open_gate("later")
        await begun
        proxy.signal(signal.SIGTERM)
        await proxy.until_it_ends()

    assert refused.error()["budget"]["reason"] == "budget_exceeded"
    assert refused.error()["budget"]["remaining"] < 0
    assert begun.result().status == 200
    assert len(simulator.bills) == 1
    await assert_sound(tmp_path, simulator)


async def test_in_kubernetes_it_says_what_a_file_forgets(
    tmp_path: Path, simulator: Simulator
) -> None:
    config = write_config(tmp_path, simulator.base_url)
    async with serving(config, KUBERNETES_SERVICE_HOST="10.0.0.1") as proxy:
        (line,) = proxy.events("kubernetes_sqlite")

    assert "docs/kubernetes.md" in line["advice"]
