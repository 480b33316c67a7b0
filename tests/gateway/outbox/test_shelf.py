"""Files of records: kept when said so, whole after any crash, one owner at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import pytest

from proxy.gateway.outbox.shelf import Shelf, write_through

LINES = b"first\nsecond\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "made" / "when needed"


def shelf(directory: Path, owner: str = "1", ledger: str = "ledger") -> Shelf:
    return Shelf(directory, ledger=ledger, owner=owner)


def after_crash(directory: Path) -> Path:
    """The same files, with nobody who has a lock on them."""
    copy = directory.with_name(f"{directory.name} after a crash")
    copytree(directory, copy, dirs_exist_ok=True)
    return copy


def left_in(directory: Path, ledger: str = "ledger") -> bytes:
    with shelf(directory, "heir", ledger).orphans() as left:
        return left


class FailingDisk:
    """Takes `room` bytes of each write and then fails."""

    def __init__(self, room: int, error: int = errno.ENOSPC) -> None:
        self.room, self.error = room, error

    def __call__(self, descriptor: int, data: bytes) -> None:
        write_through(descriptor, data[: self.room])
        if len(data) > self.room:
            raise OSError(self.error, os.strerror(self.error))


def test_nothing_is_on_the_disk_before_the_first_record(directory: Path) -> None:
    kept = shelf(directory)
    kept.replace(b"")
    with kept.orphans() as left:
        assert left == b""
    kept.close()
    assert not directory.exists()


def test_only_the_user_of_the_process_can_read_it(directory: Path) -> None:
    kept = shelf(directory)
    kept.append(LINES)
    kept.set_aside(b"?\n")
    modes = {path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert (directory.stat().st_mode & 0o777, modes) == (0o700, {0o600})


def test_what_was_kept_is_there_after_a_crash(directory: Path) -> None:
    kept = shelf(directory)
    kept.append(b"first\n")
    kept.append(b"second\n")
    assert left_in(after_crash(directory)) == LINES


def test_the_disk_has_it_when_that_is_said(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    kept = shelf(directory)
    kept.append(LINES)
    (file,) = directory.glob("*.jsonl")
    # The names of the directory and of the file in it too, before the first record counts.
    assert flushed == [str(directory.parent), str(directory), str(file)]


def test_a_process_that_lives_keeps_what_it_has(directory: Path) -> None:
    kept = shelf(directory)
    kept.append(LINES)
    assert left_in(directory) == b""
    kept.close()
    assert left_in(directory) == LINES


def test_what_is_taken_over_is_gone_afterwards(directory: Path) -> None:
    kept = shelf(directory)
    kept.append(LINES)
    kept.close()
    assert [left_in(directory), left_in(directory)] == [LINES, b""]
    assert list(directory.iterdir()) == []


def test_what_could_not_be_taken_over_stays(directory: Path) -> None:
    kept = shelf(directory)
    kept.append(LINES)
    kept.close()
    with pytest.raises(OSError, match="full"), shelf(directory, "heir").orphans():
        raise OSError("full")
    assert left_in(directory) == LINES


def test_what_several_left_comes_in_the_order_of_their_starts(directory: Path) -> None:
    for owner in ("2", "1", "3"):
        kept = shelf(directory, owner)
        kept.append(f"{owner}\n".encode())
        kept.close()
    assert left_in(directory) == b"1\n2\n3\n"


def test_what_is_for_another_ledger_is_left_alone(directory: Path) -> None:
    kept = shelf(directory)
    kept.append(LINES)
    kept.close()
    assert left_in(directory, "another") == b""
    assert left_in(directory) == LINES


def test_two_heirs_do_not_get_the_same(directory: Path) -> None:
    for owner in range(40):
        kept = shelf(directory, f"{owner:02}")
        kept.append(b"%02d\n" % owner)
        kept.close()

    def inherit(number: int) -> bytes:
        heir, taken = shelf(directory, f"heir {number}"), b""
        for _ in range(20):
            with heir.orphans() as left:
                taken += left
        return taken

    with ThreadPoolExecutor(4) as heirs:
        taken = b"".join(heirs.map(inherit, range(4)))
    assert sorted(taken.splitlines()) == [b"%02d" % owner for owner in range(40)]


def test_a_lock_that_somebody_removed_just_then_is_made_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An heir may take a lock for one that was left, between its making and its locking."""
    flock, heirs = fcntl.flock, [1]

    def beaten_to_it(descriptor: int, flags: int) -> None:
        if heirs:
            heirs.pop()
            left_in(directory)
        flock(descriptor, flags)

    monkeypatch.setattr(fcntl, "flock", beaten_to_it)
    kept = shelf(directory)
    kept.append(LINES)
    assert left_in(directory) == b""
    kept.close()
    assert left_in(directory) == LINES


def test_an_heir_who_was_too_slow_takes_nothing_from_who_lives(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He has a file open that another heir has removed, and whose owner has made it again."""
    kept = shelf(directory)
    (directory / lock_name(kept, directory)).touch()
    flock, is_first = fcntl.flock, [True]

    def overtaken(descriptor: int, flags: int) -> None:
        if is_first:
            is_first.clear()
            left_in(directory)
            kept.append(LINES)
        flock(descriptor, flags)

    monkeypatch.setattr(fcntl, "flock", overtaken)
    assert left_in(directory) == b""
    assert left_in(after_crash(directory)) == LINES


def lock_name(kept: Shelf, directory: Path) -> str:
    """How the lock of a shelf is called."""
    kept.append(b"")
    (lock,) = directory.glob("*.lock")
    kept.close()
    return lock.name


@pytest.mark.parametrize("room", range(len(LINES)))
def test_what_a_full_disk_took_half_of_is_not_there(directory: Path, room: int) -> None:
    disk = FailingDisk(10**9)
    kept = Shelf(directory, ledger="ledger", owner="1", write=disk)
    kept.append(b"zero\n")
    disk.room = room
    with pytest.raises(OSError, match="No space"):
        kept.append(LINES)
    assert left_in(after_crash(directory)) == b"zero\n"
    disk.room = 10**9
    kept.append(b"third\n")
    assert left_in(after_crash(directory)) == b"zero\nthird\n"


def test_half_a_line_that_cannot_be_taken_back_spoils_no_other(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int, size_bytes: int) -> None:
        raise OSError(errno.EIO, "a bad disk")

    disk = FailingDisk(3, errno.EIO)
    kept = Shelf(directory, ledger="ledger", owner="1", write=disk)
    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", fail)
        with pytest.raises(OSError, match="output error"):
            kept.append(LINES)
    disk.room = 10**9
    kept.append(LINES)
    assert left_in(after_crash(directory)) == b"fir\n" + LINES


def test_a_torn_tail_is_a_line_of_its_own(directory: Path) -> None:
    kept = shelf(directory)
    kept.append(LINES)
    (file,) = directory.glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b"thi")
    kept.close()
    later = shelf(directory, "2")
    later.append(b"fourth\n")
    later.close()
    assert left_in(directory) == b"first\nsecond\nthi\nfourth\n"


@pytest.mark.parametrize("room", range(len(b"second\n")))
def test_a_file_that_cannot_be_rewritten_stays_as_it_was(directory: Path, room: int) -> None:
    disk = FailingDisk(10**9)
    kept = Shelf(directory, ledger="ledger", owner="1", write=disk)
    kept.append(LINES)
    disk.room = room
    with pytest.raises(OSError, match="No space"):
        kept.replace(b"second\n")
    assert left_in(after_crash(directory)) == LINES
    disk.room = 10**9
    kept.replace(b"second\n")
    kept.append(b"third\n")
    assert left_in(after_crash(directory)) == b"second\nthird\n"


@pytest.fixture
def read_only(directory: Path) -> Iterator[Path]:
    directory.mkdir(parents=True)
    directory.chmod(0o500)
    yield directory
    directory.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_directory_that_cannot_be_written_is_an_error(read_only: Path) -> None:
    with pytest.raises(PermissionError):
        shelf(read_only).append(LINES)


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        shelf(tmp_path / "file").append(LINES)


def test_an_empty_shelf_leaves_nothing(directory: Path) -> None:
    kept = shelf(directory)
    kept.append(LINES)
    kept.replace(b"")
    kept.close()
    assert list(directory.iterdir()) == []
