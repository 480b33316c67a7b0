"""`serve` starts, is seen by the other commands, and ends as it is told to."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.cli.commands import answered, next_line, run, running

BODY = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}'


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", Path, str]]:
    """A proxy before a simulated upstream, its configuration, and the base URL for agents."""
    config_file = folder / "spendgate.yaml"
    with running("simulate", "--port", "0") as simulator:
        upstream = next_line(simulator.stdout, "http").split()[-1]
        config_file.write_text(
            f"""
listen: {{proxy: "127.0.0.1:0", authority: "127.0.0.1:0", admin: "127.0.0.1:{free_port()}"}}
ledger: {{url: "sqlite:///{folder / "spendgate.db"}"}}
upstreams: [{{name: simulated, base_url: "{upstream}", api_key: none}}]
identity: {{default: {{tenant: dev}}}}
budgets: [{{scope: "tenant:dev", allocated: $1.00}}]
"""
        )
        with running("serve", "-c", str(config_file)) as process:
            ready = next_line(process.stderr, "Spendgate is ready")
            yield process, config_file, ready.rpartition("=")[2].strip()


def test_the_other_commands_see_what_it_does(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, config_file, base_url):
        config = ("-c", str(config_file))
        while run("health", *config).exit_code and process.poll() is None:
            continue  # the vocabulary is still being read
        with urlopen(Request(f"{base_url}/chat/completions", BODY), timeout=10) as answer:
            cost = answer.headers["X-Budget-Cost-Usd"]
            assert answer.headers["X-Budget-Decision"] == "ALLOW"

        (committed,) = answered("reservations", "list", "--state", "committed", *config)
        (balance,) = answered("budgets", "list", *config)
        funded = run("budgets", "fund", "tenant:dev", "0.50", *config)
        verified = run("verify", *config)

    assert f"{committed['committed']['amount'] / 10**8:.8f}".rstrip("0") == cost
    assert balance["spent"] == committed["committed"]
    assert (funded.exit_code, verified.exit_code) == (0, 0)


def test_it_reloads_a_good_file_keeps_the_old_for_a_bad_one_and_ends_in_order(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as (process, config_file, _):
        good = config_file.read_text()
        config_file.write_text(good.replace("$1.00", "$2.00"))
        process.send_signal(signal.SIGHUP)
        next_line(process.stdout, '"reloaded"')
        config_file.write_text("budgetz: []")
        process.send_signal(signal.SIGHUP)
        failed = json.loads(next_line(process.stdout, "reload_failed"))
        config_file.write_text(good)
        (balance,) = answered("budgets", "list", "-c", str(config_file))
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=10)

    assert failed["why"].endswith("the old one stays")
    assert balance["allocated"]["amount"] == 2 * 10**8
    assert code == 0


def test_one_ledger_has_one_server(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as (_, config_file, _),
        running("serve", "-c", str(config_file)) as second,
    ):
        _, said = second.communicate(timeout=10)

    assert second.returncode == 1
    assert "another process serves from this ledger" in said


def test_without_a_budget_it_says_how_to_name_one() -> None:
    result = run("serve")

    assert result.exit_code == 2
    assert "-c config.yaml" in result.stderr
    assert "--budget 5.00" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--budget", "five"), 1),
        (("-c", "nowhere.yaml"), 1),
        (("-c", "a.yaml", "--budget", "1"), 2),
    ],
)
def test_what_it_cannot_start_with_is_a_no(arguments: tuple[str, ...], code: int) -> None:
    result = run("serve", *arguments)

    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr


def test_a_folder_that_is_not_there_is_a_no(tmp_path: Path) -> None:
    config: Any = {
        "ledger": {"url": f"sqlite:///{tmp_path}/none/spendgate.db"},
        "upstreams": [{"name": "o", "base_url": "http://localhost:1", "api_key": "none"}],
        "budgets": [{"scope": "tenant:dev", "allocated": "$1.00"}],
    }
    file = tmp_path / "spendgate.yaml"
    file.write_text(json.dumps(config))

    result = run("serve", "-c", str(file))

    assert result.exit_code == 1
    assert "spendgate: the lock beside the ledger cannot be opened" in result.stderr
