"""The scenarios of client-recovery-scenarios.yaml (cycles-sdk-recovery 0.3), one test each."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from zlib import crc32

import pytest
import yaml

from proxy.gateway.ending import GivenBack, LeftUncertain
from proxy.gateway.outbox import outbox
from proxy.gateway.outbox.record import Settle, read
from tests.cycles_wire.published import DOCUMENT, needs_document
from tests.ledger.cycles.fates import (
    Answer,
    Garble,
    Hang,
    HoldReply,
    LoseReply,
    LoseRequest,
    error,
    throttled,
)
from tests.ledger.cycles.home import Clock
from tests.ledger.cycles.process import Process, charged, until
from tests.ledger.cycles.stub import KEY, Stub

ACME = "tenant:acme"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch, stub: Stub) -> None:
    monkeypatch.setattr(outbox, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(outbox, "_LONGEST_PAUSE_S", 0.0)
    stub.fund(ACME, 1_000)


@asynccontextmanager
async def living(process: Process) -> AsyncIterator[Process]:
    try:
        yield process
    finally:
        await process.stop()


def keys(stub: Stub, *operations: str) -> list[tuple[str, str]]:
    return [(each.operation, each.key) for each in stub.seen if each.operation in operations]


@needs_document
def test_every_scenario_has_a_test_here() -> None:
    scenarios = yaml.safe_load((DOCUMENT.parent / "client-recovery-scenarios.yaml").read_text())
    told = set(re.findall(r"CR-[A-Z]+-\d{3}", Path(__file__).read_text("utf-8")))
    assert {each["id"] for each in scenarios["scenarios"]} == told


@pytest.mark.parametrize("fate", [LoseReply(), LoseRequest(), Answer(503)])
async def test_a_lost_answer_is_asked_for_with_the_same_key(
    stub: Stub, tmp_path: Path, fate: LoseReply | LoseRequest | Answer
) -> None:
    """CR-CORE-001."""
    async with living(Process(stub, tmp_path)) as process:
        held = await process.hold()
        stub.spoil("commit", fate)
        await process.settle(held, charged(70))
        await process.landed()
    assert keys(stub, "commit", "event") == [("commit", "rsv/1/settle")] * 2
    assert stub.settlements() == [70]


async def test_an_answer_that_never_comes_is_given_up_and_asked_for_again(
    stub: Stub, tmp_path: Path
) -> None:
    """CR-CORE-001, with a connection that is half open."""
    async with living(Process(stub, tmp_path, timeout_ms=50)) as process:
        held = await process.hold()
        stub.spoil("commit", Hang())
        await process.settle(held, charged(70))
        await process.landed()
    assert keys(stub, "commit") == [("commit", "rsv/1/settle")] * 2
    assert stub.settlements() == [70]


@pytest.mark.parametrize("code", ["RESERVATION_EXPIRED", "NOT_FOUND"])
async def test_a_hold_that_is_gone_is_charged_as_an_event(
    stub: Stub, tmp_path: Path, code: str
) -> None:
    """CR-CORE-002: with the subject, the action, the actual and the key of the commit."""
    async with living(Process(stub, tmp_path)) as process:
        held = await process.hold()
        if code == "NOT_FOUND":
            stub.rows.clear()
        stub.expire()
        await process.settle(held, charged(70))
        await process.landed()
    assert keys(stub, "commit", "event") == [
        ("commit", "rsv/1/settle"),
        ("event", "rsv/1/settle"),
    ]
    reserve, (event,) = stub.seen[0].body, stub.events
    assert event["subject"] == reserve["subject"]
    assert event["action"] == reserve["action"]
    assert event["actual"] == {"unit": "USD_MICROCENTS", "amount": 70}
    assert stub.settlements() == [70]


async def test_a_heartbeat_that_fails_is_told_and_the_call_goes_on(
    stub: Stub, tmp_path: Path
) -> None:
    """CR-CORE-003: with the reservation, and whether it is tried again."""
    async with living(Process(stub, tmp_path)) as process:
        held = await process.hold()
        stub.spoil("extend", LoseRequest())
        process.clock.at_ms += 50_000
        await process.leases.beat()
        (line,) = process.log.events("heartbeat_failed")
        assert line["reservation_id"] == held
        process.clock.at_ms += 2_500
        await process.leases.beat()
        assert keys(stub, "extend") == [("extend", "rsv/1/extend/1")] * 2

        process.clock.at_ms += 120_000
        stub.spoil("extend", error("RESERVATION_FINALIZED", 409))
        await process.leases.beat()
        (line,) = process.log.events("extend_failed")
        assert line["reservation_id"] == held
        await process.settle(held, charged(70))
        await process.landed()
    assert stub.settlements() == [70]


@pytest.mark.parametrize(
    "garble",
    [
        lambda status, answer: (202, json.dumps(answer).encode()),
        lambda status, answer: (200, b""),
        lambda status, answer: (200, b'{"status": "COMMITTED"}'),
    ],
)
async def test_a_success_that_is_not_the_protocols_stays_ambiguous(
    stub: Stub, tmp_path: Path, garble: object
) -> None:
    """CR-CORE-004."""
    async with living(Process(stub, tmp_path)) as process:
        held = await process.hold()
        stub.spoil("commit", Garble(garble))  # type: ignore[arg-type]
        await process.settle(held, charged(70))
        await process.landed()
    assert keys(stub, "commit") == [("commit", "rsv/1/settle")] * 2
    assert stub.settlements() == [70]


async def test_the_disk_has_a_commit_before_the_authority_hears_of_it(
    stub: Stub, tmp_path: Path
) -> None:
    """CR-DURABLE-001: killed while its first commit is under way, and started again."""
    written: list[int] = []
    dead = Process(stub, tmp_path / "journal", before_write=lambda: written.append(len(stub.seen)))
    held = await dead.hold()
    stub.spoil("commit", Hang())
    await dead.settle(held, charged(70))
    assert written[0] == 1, "a reserve, and no commit"
    await until(lambda: "commit" in stub.operations())
    assert b'"settle"' in dead.files()
    left = await dead.die()
    async with living(Process(stub, left, "2")) as process:
        await process.start()
        await process.landed()
        assert process.files() == b""
    assert keys(stub, "commit") == [("commit", "rsv/1/settle")] * 2
    assert stub.settlements() == [70]


async def test_no_commit_leaves_before_its_flush_has_returned(stub: Stub, tmp_path: Path) -> None:
    """CR-DURABLE-001: the disk is slow with one record while those before it are being told."""
    disk, answer = threading.Event(), asyncio.Event()
    async with living(Process(stub, tmp_path)) as process:
        first, second = await process.hold(10), await process.hold(10, key="call/2")
        stub.spoil("commit", HoldReply(answer))
        await process.settle(first, charged(7))
        await until(lambda: keys(stub, "commit"))
        process.before_write = disk.wait
        process.tasks.start(process.settle(second, charged(7)), name="settle")
        await until(lambda: len(process.outbox) == 2)
        answer.set()
        await until(lambda: len(process.outbox) == 1)
        for _ in range(3):
            await process.ledger.all_balances()  # so long, a commit would have had to arrive
        before_flush = keys(stub, "commit")
        disk.set()
        await process.landed()
    assert before_flush == [("commit", "rsv/1/settle")]
    assert stub.settlements() == [7, 7]


async def test_an_expired_commit_becomes_an_event_on_the_disk_first(
    stub: Stub, tmp_path: Path
) -> None:
    """CR-DURABLE-002: killed between the switch and the event."""
    dead = Process(stub, tmp_path / "journal")
    held = await dead.hold()
    stub.spoil("commit", LoseRequest(), LoseRequest())
    stub.expire()
    stub.spoil("event", Hang())
    await dead.settle(held, charged(70))
    await until(lambda: "event" in stub.operations())
    last = dead.files().splitlines()[-1]
    record = read(last)
    assert isinstance(record, Settle)
    assert record.as_event
    left = await dead.die()
    stub.seen.clear()
    async with living(Process(stub, left, "2")) as process:
        await process.start()
        await process.landed()
        assert process.files() == b""
    assert keys(stub, "commit", "event") == [("event", "rsv/1/settle")]
    assert stub.settlements() == [70]


async def test_a_switch_that_the_disk_does_not_take_is_not_told(stub: Stub, tmp_path: Path) -> None:
    """CR-DURABLE-002: the event waits for the disk."""
    async with living(Process(stub, tmp_path)) as process:
        held = await process.hold()
        stub.expire()
        fails = [False, True, True, False]

        def fail_as_told() -> None:
            if fails and fails.pop(0):
                assert "event" not in stub.operations()
                raise OSError(28, "no space left")

        process.before_write = fail_as_told
        await process.settle(held, charged(70))
        await process.landed()
    assert stub.settlements() == [70]
    assert fails == []


async def test_a_pause_that_was_asked_for_outlives_the_process(stub: Stub, tmp_path: Path) -> None:
    """CR-DURABLE-003."""
    dead = Process(stub, tmp_path / "journal")
    held = await dead.hold()
    stub.spoil("commit", throttled(30))
    await dead.settle(held, charged(70))
    await until(lambda: b'"not_before_ms":1030000' in dead.files())
    left = await dead.die()
    async with living(Process(stub, left, "2", clock=Clock(1_029_999))) as process:
        await process.start()
        for _ in range(50):
            await asyncio.sleep(0)
        assert keys(stub, "commit") == [("commit", "rsv/1/settle")]
        process.clock.at_ms += 1
        await process.outbox.adopt_and_land()
        await process.landed()
        assert process.files() == b""
    assert keys(stub, "commit") == [("commit", "rsv/1/settle")] * 2
    assert stub.settlements() == [70]


async def test_a_key_that_was_replaced_finds_what_the_old_one_left(
    stub: Stub, tmp_path: Path
) -> None:
    """CR-DURABLE-004: 401 is no refusal of what was spent, and no key lies on the disk."""
    dead = Process(stub, tmp_path / "journal")
    held = await dead.hold()
    stub.keys = {"cyc_live_new"}
    await dead.settle(held, charged(70))
    await until(lambda: len(keys(stub, "commit")) >= 3)
    assert KEY.encode() not in dead.files()
    left = await dead.die()
    async with living(Process(stub, left, "2", api_key="cyc_live_new")) as process:
        await process.start()
        await process.landed()
    assert set(keys(stub, "commit")) == {("commit", "rsv/1/settle")}
    assert keys(stub, "release") == []
    assert stub.settlements() == [70]


async def test_what_nobody_can_read_is_set_aside_and_the_rest_is_told(
    stub: Stub, tmp_path: Path
) -> None:
    """CR-DURABLE-005: a damaged line, and one of a version that we do not know."""
    dead = Process(stub, tmp_path / "journal")
    held = await dead.hold()
    stub.spoil("commit", *[LoseRequest()] * 3)
    await dead.settle(held, charged(70))
    left = await dead.die()
    stub.fates.clear()
    (file,) = left.glob("*.jsonl")
    future = b'{"type":"settle-v9"}'
    with file.open("ab") as lines:
        lines.write(b"00000000 {broken}\n%08x %b\n" % (crc32(future), future))
    async with living(Process(stub, left, "2")) as process:
        await process.start()
        await process.landed()
        (line,) = process.log.events("settlements_set_aside")
        assert line["records"] == 2
        assert b"settle-v9" in (left / "quarantine").read_bytes()
    assert stub.settlements() == [70]


async def test_two_processes_that_find_the_same_record_settle_it_once(
    stub: Stub, tmp_path: Path
) -> None:
    """CR-DURABLE-006: one of them adopts it; and were both to tell it, the key is the same."""
    dead = Process(stub, tmp_path / "journal")
    held = await dead.hold()
    stub.spoil("commit", *[LoseRequest()] * 3)
    await dead.settle(held, charged(70))
    left = await dead.die()
    stub.fates.clear()
    stub.seen.clear()
    async with living(Process(stub, left, "2")) as one, living(Process(stub, left, "3")) as two:
        await asyncio.gather(one.start(), two.start())
        await asyncio.gather(one.landed(), two.landed())
        assert one.files() == b""
    assert keys(stub, "commit") == [("commit", "rsv/1/settle")]
    assert stub.settlements() == [70]


async def test_ids_of_any_characters_are_records_of_their_own(stub: Stub, tmp_path: Path) -> None:
    """CR-DURABLE-007: no record is a file here, so no two ids share one. All are told, once."""
    ids = ["a/b", "a_b", "a%2Fb", "A/B", "../a", "a\nb", "é", "a,b", "TOKENS=a", "a"]
    dead = Process(stub, tmp_path / "journal")
    for number, remote_id in enumerate(ids):
        stub.next_id = remote_id
        held = await dead.hold(10, key=f"call/{number}")
        stub.spoil("commit", *[LoseRequest()] * 50)
        await dead.settle(held, charged(number + 1))
    left = await dead.die()
    stub.fates.clear()
    async with living(Process(stub, left, "2")) as process:
        await process.start()
        await process.landed()
    committed = {row.reservation_id: row.committed for row in stub.rows.values()}
    assert committed == {remote_id: number + 1 for number, remote_id in enumerate(ids)}


async def test_a_cost_that_nobody_knows_is_told_to_nobody(stub: Stub, tmp_path: Path) -> None:
    """CR-BOUNDARY-001: it is kept, extended and listed; the authority's own expiry ends it."""
    async with living(Process(stub, tmp_path)) as process:
        held = await process.hold()
        await process.settle(held, LeftUncertain())
        assert process.log.events("became_uncertain") == [
            {"event": "became_uncertain", "reservation_id": held}
        ]
        process.clock.at_ms += 50_000
        stub.now_ms += 50_000
        await process.leases.beat()
        assert await process.ledger.count_uncertain() == 1
        await process.tasks.wait(1_000)
        assert process.files() == b""
    assert keys(stub, "extend", "commit", "event", "release") == [("extend", "rsv/1/extend/1")]


async def test_what_was_not_sent_goes_back_and_is_not_pressed(stub: Stub, tmp_path: Path) -> None:
    async with living(Process(stub, tmp_path)) as process:
        held = await process.hold()
        gone = await process.hold(key="call/2")
        await process.settle(held, GivenBack())
        await process.landed()
        stub.expire()
        await process.settle(gone, GivenBack())
        await process.landed()
        assert process.log.events("settlement_refused") == []
    assert keys(stub, "event", "commit") == []
    assert stub.budgets[ACME, "USD_MICROCENTS"].remaining == 1_000


async def test_what_makes_no_sense_waits_alone(stub: Stub, tmp_path: Path) -> None:
    """An unknown 4xx is kept; what came after it lands meanwhile."""
    async with living(Process(stub, tmp_path)) as process:
        first = await process.hold()
        second = await process.hold(key="call/2")
        stub.spoil("commit", error("SOMETHING_NEW", 422))
        await process.settle(first, charged(70))
        await until(lambda: keys(stub, "commit"))
        await process.settle(second, charged(50))
        await until(lambda: len(process.outbox) == 1)
        assert stub.settlements() == [50]
        assert keys(stub, "release") == []


async def test_what_is_understood_and_refused_is_dropped_and_set_aside(
    stub: Stub, tmp_path: Path
) -> None:
    """A hold that an operator ended there was decided by a person."""
    async with living(Process(stub, tmp_path)) as process:
        held = await process.hold()
        stub.rows["rsv/1"].status = "RELEASED"
        await process.settle(held, charged(70))
        await process.landed()
        (line,) = process.log.events("settlement_refused")
        assert line["reservation_id"] == held
        assert (tmp_path / "quarantine").exists()
    assert keys(stub, "commit", "event") == [("commit", "rsv/1/settle")]
