"""Secrets from files and commands: replaced while the proxy runs, and never repeated."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from proxy.gateway.upstream.credential import NoCredential
from proxy.gateway.upstream.secrets import (
    SECRET_BYTES_MAX,
    GivenSecret,
    SecretCommand,
    SecretFile,
)

HOUR_MS = 3_600_000


class Timepiece:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return self.now_ms * 1_000_000


def replace(file: Path, text: str) -> None:
    """Put another file in its place, as those who rotate secrets do."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


async def test_a_given_secret_is_always_what_it_was() -> None:
    secret = GivenSecret("sk-a")
    await secret.renew()
    secret.refused("sk-a")

    assert (secret.current, secret.recent) == ("sk-a", ("sk-a",))


async def test_a_file_is_read_again_when_it_is_another_one(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-first\n")
    secret = SecretFile(file)
    await secret.renew()
    assert secret.current == "sk-first"

    replace(file, "sk-other\n")
    await secret.renew()

    assert secret.current == "sk-other"
    assert secret.recent == ("sk-other", "sk-first")


async def test_a_file_that_has_not_changed_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-a")
    secret = SecretFile(file)
    await secret.renew()
    before = file.stat()
    file.write_text("sk-b")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    await secret.renew()

    assert secret.current == "sk-a"


@pytest.mark.parametrize("text", ["", " \n", "two words", "sk-\x00", "sk-ä", "a\nb", None])
async def test_while_a_file_is_of_no_use_the_last_secret_stays(
    tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "key"
    file.write_text("sk-first")
    secret = SecretFile(file)
    await secret.renew()

    if text is None:
        file.unlink()
    else:
        replace(file, text)
    await secret.renew()
    assert secret.current == "sk-first"

    replace(file, "sk-next")
    await secret.renew()
    assert secret.current == "sk-next"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file or directory"),
        ("", "nothing is in it"),
        ("two words", "blanks, line ends"),
        ("x" * (SECRET_BYTES_MAX + 1), "more than 16,384 bytes"),
    ],
)
async def test_without_any_secret_the_file_says_why_and_nothing_more(
    tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "key"
    if text is not None:
        file.write_text(text)
    secret = SecretFile(file)

    with pytest.raises(NoCredential) as failure:
        await secret.renew()

    assert str(failure.value).startswith(why)
    assert str(failure.value).endswith("(upstreams[].api_key_file)")
    assert not text or text not in str(failure.value)
    assert secret.current == ""


def command(script: str, clock: Timepiece, *, timeout_ms: int = 20_000) -> SecretCommand:
    argv = (sys.executable, "-S", "-c", script)
    return SecretCommand(argv, ttl_ms=HOUR_MS, timeout_ms=timeout_ms, monotonic_ns=clock)


def counting(runs: Path) -> str:
    """A program that writes `sk-1`, then `sk-2`, and so on."""
    return f"""
import os
with open({str(runs)!r}, "a") as file:
    file.write("x")
print("sk-%d" % os.stat({str(runs)!r}).st_size)
"""


async def test_a_command_runs_once_until_its_word_is_too_old(tmp_path: Path) -> None:
    clock = Timepiece()
    secret = command(counting(tmp_path / "runs"), clock)
    for now_ms, expected in [(0, "sk-1"), (HOUR_MS - 1, "sk-1"), (HOUR_MS, "sk-2")]:
        clock.now_ms = now_ms
        await secret.renew()
        assert secret.current == expected
    assert secret.recent == ("sk-2", "sk-1")


async def test_calls_that_need_it_meanwhile_wait_for_the_same_run(tmp_path: Path) -> None:
    secret = command(counting(tmp_path / "runs"), Timepiece())

    await asyncio.gather(*(secret.renew() for _ in range(20)))

    assert secret.current == "sk-1"
    assert (tmp_path / "runs").read_text() == "x"


async def test_a_caller_who_leaves_does_not_stop_what_others_wait_for(tmp_path: Path) -> None:
    secret = command(counting(tmp_path / "runs"), Timepiece())
    loop = asyncio.get_running_loop()
    first, second = (loop.create_task(secret.renew()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    await second

    assert secret.current == "sk-1"
    assert (tmp_path / "runs").read_text() == "x"


async def test_a_refused_secret_is_asked_for_anew_once(tmp_path: Path) -> None:
    """A command that always writes the same must not run with each call."""
    runs = tmp_path / "runs"
    secret = command(f"open({str(runs)!r}, 'a').write('x'); print('sk-same')", Timepiece())
    await secret.renew()
    for _ in range(3):
        secret.refused("sk-same")
        await secret.renew()

    assert runs.read_text() == "xx"


async def test_another_secret_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    secret = command(counting(tmp_path / "runs"), Timepiece())
    await secret.renew()
    secret.refused("sk-of-before")
    await secret.renew()

    assert secret.current == "sk-1"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("print('sk-mark'); raise SystemExit(3)", "its command ended with status 3"),
        (
            "import os; print('sk-mark'); os.kill(os.getpid(), 9)",
            "its command ended with status -9",
        ),
        ("", "its command wrote no secret: nothing is in it"),
        ("print('sk-mark and more')", "its command wrote no secret: blanks"),
        ("print('sk-mark' * 9999)", "its command wrote no secret: more than 16,384 bytes"),
    ],
)
async def test_a_command_that_fails_says_how_and_repeats_nothing(script: str, why: str) -> None:
    secret = command(script, Timepiece())

    for _ in range(2):  # the next call tries again
        with pytest.raises(NoCredential) as failure:
            await secret.renew()
        assert str(failure.value).startswith(why)
        assert "mark" not in str(failure.value)
        assert "mark" not in repr(secret)


async def test_a_program_that_is_not_there_says_so() -> None:
    secret = SecretCommand(["/no/such"], ttl_ms=1, timeout_ms=1_000, monotonic_ns=Timepiece())

    with pytest.raises(NoCredential, match="cannot be run: No such file"):
        await secret.renew()


async def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    argv = ("/bin/sh", "-c", f"sleep 99 & echo $! > {child}; wait")
    secret = SecretCommand(argv, ttl_ms=1, timeout_ms=1_000, monotonic_ns=Timepiece())

    with pytest.raises(NoCredential, match="took too long"):
        await secret.renew()

    await until_ended(int(child.read_text()))


async def until_ended(process_id: int) -> None:
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(10):
            await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
