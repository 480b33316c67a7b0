"""Who keeps a head finds every later edit of what was sealed by then."""

import sqlite3
from contextlib import closing
from pathlib import Path

from proxy.config.convert import ledger_file
from proxy.config.load import load
from tests.cli.books.ledgers import make_ledger, on_ledger
from tests.cli.commands import answered, run
from tests.cli.journal.conftest import FAR_MS


def alter(config_file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(ledger_file(load(config_file, {})))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def heads(config_file: Path, *arguments: str) -> list[str]:
    result = run("journal", "heads", "-c", str(config_file), *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.split()


def test_a_head_is_one_word_for_each_tenant(config_file: Path) -> None:
    first, last = heads(config_file, "--all")
    assert heads(config_file) == [last]
    assert heads(config_file, "--tenant", "dev") == [last]
    assert heads(config_file, "--tenant", "nobody") == []
    tenant, seq, digest = last.split(":")
    assert (tenant, int(seq), len(digest)) == ("dev", 6, 64)
    assert first != last


def test_a_ledger_without_seals_says_so(tmp_path: Path) -> None:
    result = run("journal", "heads", "-c", str(make_ledger(tmp_path)))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing is sealed yet" in result.stderr


def test_verify_prints_the_heads_and_holds_the_kept_ones_against_them(config_file: Path) -> None:
    kept = heads(config_file, "--all")
    arguments = [argument for head in kept for argument in ("--head", head)]
    result = run("verify", "-c", str(config_file), *arguments)
    assert result.exit_code == 0
    assert f"head {kept[-1]}" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == "2 kept heads hold: no entry changed"
    audit = answered("verify", "-c", str(config_file), *arguments)
    assert (audit["heads"], audit["broken_heads"]) == ([kept[-1]], [])


def test_an_edit_is_found_without_a_head(config_file: Path) -> None:
    alter(config_file, "UPDATE journal SET actor = 'mallory' WHERE seq = 2")
    result = run("verify", "-c", str(config_file))
    assert result.exit_code == 1
    assert "journal of dev, entries 1 to" in result.stdout


def test_an_edit_that_was_sealed_again_is_found_with_a_head(config_file: Path) -> None:
    (kept,) = heads(config_file)
    alter(
        config_file,
        "UPDATE journal SET actor = 'mallory' WHERE seq = 2",
        "DELETE FROM seals",
        "DELETE FROM standings",
    )
    on_ledger(config_file, lambda ledger: ledger.seal(before_ms=FAR_MS, limit=9))
    assert run("verify", "-c", str(config_file)).exit_code == 0
    result = run("verify", "-c", str(config_file), "--head", kept)
    assert result.exit_code == 1
    assert "entry 6 of 'dev': the seal is now" in result.stdout
    result = run("verify", "-c", str(config_file), "--head", kept, "--json")
    assert result.exit_code == 1
    assert '"broken_heads": [\n' in result.stdout


def test_a_head_of_what_is_gone_is_not_taken_as_sound(config_file: Path) -> None:
    first, _ = heads(config_file, "--all")
    alter(config_file, "DELETE FROM seals WHERE last_seq < 6")
    result = run("verify", "-c", str(config_file), "--head", first)
    assert result.exit_code == 1
    assert "its seal is gone" in result.stdout


def test_a_head_of_nobody_is_not_taken_as_sound(config_file: Path) -> None:
    result = run("verify", "-c", str(config_file), "--head", f"nobody:1:{'0' * 64}")
    assert result.exit_code == 1
    assert "entry 1 of 'nobody': the journal has no seals any more" in result.stdout


def test_what_is_no_head_is_a_mistake_of_who_asks(config_file: Path) -> None:
    for text in ("dev", "dev:0:" + "0" * 64, "dev:1:xyz", "dev:1:" + "A" * 64):
        result = run("verify", "-c", str(config_file), "--head", text)
        assert result.exit_code == 2
        assert "is not TENANT:ENTRY:DIGEST" in result.stderr
