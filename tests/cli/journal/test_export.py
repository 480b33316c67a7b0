"""The journal leaves the ledger whole, and in a form that others read and hash."""

import csv
import hashlib
import io
import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from proxy.config.convert import ledger_file
from proxy.config.load import load
from proxy.ledger.journal import Amounts
from proxy.ledger.lines import entry_line
from tests.cli.books.ledgers import on_ledger
from tests.cli.commands import answered, run


def exported(config_file: Path, *arguments: str) -> str:
    result = run("journal", "export", "-c", str(config_file), *arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == "", "a pipe has no progress bar"
    return result.stdout


def move_entries(config_file: Path, at_ms: str) -> None:
    with closing(sqlite3.connect(ledger_file(load(config_file, {})))) as connection, connection:
        connection.execute(f"UPDATE journal SET at_ms = {at_ms}")
        connection.execute(
            "UPDATE seals SET at_ms = (SELECT at_ms FROM journal j"
            " WHERE j.tenant = seals.tenant AND j.seq = last_seq)"
        )


def seqs(text: str) -> list[int]:
    return [json.loads(line)["seq"] for line in text.splitlines()]


def test_a_line_for_each_entry_is_what_the_seals_cover(config_file: Path) -> None:
    entries = on_ledger(config_file, lambda ledger: ledger.journal("dev", after_seq=0, limit=99))
    lines = [entry_line(entry).decode() for entry in entries]
    assert len(lines) > 3
    assert exported(config_file).splitlines() == lines


def test_who_has_an_export_can_recompute_the_heads(config_file: Path) -> None:
    """With nothing but SHA-256."""
    lines = exported(config_file, "--tenant", "dev").encode().splitlines(keepends=True)
    seals = answered("journal", "heads", "-c", str(config_file), "--all")
    assert [seal["first_seq"] for seal in seals] == [1, seals[0]["last_seq"] + 1]
    previous = "0" * 64
    for seal in seals:
        first_seq, last_seq = seal["first_seq"], seal["last_seq"]
        entries_sha256 = hashlib.sha256(b"".join(lines[first_seq - 1 : last_seq])).hexdigest()
        text = f"{previous} {first_seq} {last_seq} {entries_sha256} {seal['standing_sha256']}"
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert seal["digest"] == previous
        if "standing" in seal:
            standing_sha256 = hashlib.sha256(seal["standing"].encode()).hexdigest()
            assert seal["standing_sha256"] == standing_sha256
    assert "standing" in seals[-1] or "standing" in seals[0]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_a_shell_is_enough(config_file: Path, tmp_path: Path) -> None:
    """As docs/operating.md says."""
    file = tmp_path / "dev.jsonl"
    assert exported(config_file, "--tenant", "dev", "-o", str(file)) == ""
    (seal,) = answered("journal", "heads", "-c", str(config_file), "--tenant", "dev")
    script = (
        f"sed -n '{seal['first_seq']},{seal['last_seq']}p' {file} | sha256sum | cut -d' ' -f1;"
        f"printf %s '{seal['previous']} {seal['first_seq']} {seal['last_seq']}"
        f" {seal['entries_sha256']} {seal['standing_sha256']}' | sha256sum | cut -d' ' -f1"
    )
    found = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [seal["entries_sha256"], seal["digest"]]


def test_a_table_has_a_row_for_each_window_and_leaves_no_entry_out(config_file: Path) -> None:
    entries = on_ledger(config_file, lambda ledger: ledger.journal("dev", after_seq=0, limit=99))
    rows = list(csv.DictReader(io.StringIO(exported(config_file, "--format", "csv"))))
    assert len(rows) == sum(max(1, len(entry.postings)) for entry in entries)
    assert {int(row["seq"]) for row in rows} == {entry.seq for entry in entries}
    entry = entries[-1]
    window, change = entry.postings[-1]
    assert rows[-1]["kind"] == entry.kind
    assert rows[-1]["scope"] == entry.scope
    assert rows[-1]["window_scope"] == window.scope
    assert (rows[-1]["unit"], rows[-1]["period"]) == (window.unit, str(window.period))
    assert [int(rows[-1][name]) for name in Amounts._fields] == list(change)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--from", "2026-11-03"), range(3, 7)),
        (("--to", "2026-11-03"), range(1, 3)),
        (("--from", "2026-11-02", "--to", "2026-11-04T00:00:00"), range(2, 4)),
        (("--from", "2026-11-02T00:00:01", "--to", "2026-11-03T00:00:01"), range(3, 4)),
        (("--from", "2027-01-01"), range(0)),
        (("--to", "2026-01-01"), range(0)),
    ],
)
def test_only_the_entries_of_a_time(
    config_file: Path, arguments: tuple[str, ...], found: range
) -> None:
    move_entries(config_file, "1793491200000 + 86400000 * (seq - 1)")
    assert len(seqs(exported(config_file))) == 6
    assert seqs(exported(config_file, *arguments)) == list(found)


def test_what_went_leaves_no_hole(config_file: Path) -> None:
    """An export begins where the journal does."""
    every = seqs(exported(config_file))
    move_entries(config_file, "1000")
    on_ledger(config_file, lambda ledger: ledger.seal(before_ms=10**15, limit=9))
    with closing(sqlite3.connect(ledger_file(load(config_file, {})))) as connection, connection:
        connection.execute("DELETE FROM journal WHERE seq <= 3")
    assert seqs(exported(config_file)) == every[3:]


def test_an_export_goes_on_over_many_batches(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exported(config_file)
    monkeypatch.setattr("proxy.cli.journal.entries._BATCH_ENTRIES", 2)
    assert exported(config_file) == whole
    assert seqs(exported(config_file, "--from", "2026-01-01")) == seqs(whole)


def test_a_stranger_has_no_journal(config_file: Path) -> None:
    result = run("journal", "export", "-c", str(config_file), "--tenant", "nobody")
    assert result.exit_code == 1
    assert result.stderr == "spendgate: there is no journal of 'nobody'\n"


def test_a_file_that_cannot_be_written_is_named(config_file: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "missing" / "journal.jsonl")
    result = run("journal", "export", "-c", str(config_file), "-o", output)
    assert result.exit_code == 1
    assert result.stderr == f"spendgate: {output}: No such file or directory\n"


def test_an_entry_that_cannot_be_read_is_named(config_file: Path) -> None:
    with closing(sqlite3.connect(ledger_file(load(config_file, {})))) as connection, connection:
        connection.execute("UPDATE journal SET kind = 'nonsense' WHERE seq = 2")
    result = run("journal", "export", "-c", str(config_file))
    assert result.exit_code == 1
    assert "entry 2 cannot be read: `spendgate verify` says more" in result.stderr
