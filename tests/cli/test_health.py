"""`health` says what a probe needs: a code, and why."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli.commands import run, write_config


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """A server on a free port that gives this answer to GET /readyz."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing is logged."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def ready(**checks: str) -> bytes:
    return json.dumps({"status": "whatever", "checks": checks}).encode()


def test_a_proxy_that_takes_calls_is_ready() -> None:
    with answering(200, ready(listening="ok", ledger="ok")) as port:
        result = run("health", "--url", f"http://127.0.0.1:{port}/")

    assert (result.exit_code, result.stdout) == (0, "ready\n")


def test_the_checks_that_fail_are_told() -> None:
    report = ready(listening="ok", ledger="the disk of the ledger is full", vocabulary="not yet")
    with answering(503, report) as port:
        result = run("health", "--url", f"http://127.0.0.1:{port}")

    assert result.exit_code == 1
    assert result.stderr == (
        "spendgate: not ready: ledger: the disk of the ledger is full; vocabulary: not yet\n"
    )


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"checks": 1}', b"\xff"])
def test_another_program_on_the_port_is_not_ready(status: int, body: bytes) -> None:
    with answering(status, body) as port:
        result = run("health", "--url", f"http://127.0.0.1:{port}")

    assert result.exit_code == 1
    assert "the answer is not this program's" in result.stderr


def test_a_status_that_says_no_is_no_whatever_the_checks_say() -> None:
    with answering(503, ready(listening="ok")) as port:
        result = run("health", "--url", f"http://127.0.0.1:{port}")

    assert result.exit_code == 1
    assert "status: 503" in result.stderr


def test_nobody_there_is_not_ready() -> None:
    result = run("health", "--url", "http://127.0.0.1:1")

    assert result.exit_code == 1
    assert "Connection refused" in result.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_configuration_says_where_to_ask(tmp_path: Path, host: str) -> None:
    """In the image the listener is on every address, which nobody can call."""
    with answering(200, ready(listening="ok")) as port:
        file = write_config(tmp_path, more=f'listen: {{admin: "{host}:{port}"}}')
        result = run("health", "-c", str(file))

    assert (result.exit_code, result.stdout) == (0, "ready\n")


@pytest.mark.parametrize(
    ("listens", "asked"), [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1")]
)
def test_every_address_is_listened_on_and_one_is_asked(
    tmp_path: Path, listens: str, asked: str
) -> None:
    file = write_config(tmp_path, more=f'listen: {{admin: "{listens}"}}')

    assert f"not ready: http://{asked}: " in run("health", "-c", str(file)).stderr


def test_the_environment_sends_the_probe_nowhere_else() -> None:
    elsewhere = "http://127.0.0.1:1"
    with answering(200, ready(listening="ok")) as port:
        result = run("health", "--url", f"http://127.0.0.1:{port}", http_proxy=elsewhere)

    assert result.exit_code == 0


@pytest.mark.parametrize(
    "arguments", [("--url", "file:///etc/passwd"), ("--url", "http://a", "-c", "b.yaml")]
)
def test_an_address_that_cannot_be_asked_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert run("health", *arguments).exit_code == 2
