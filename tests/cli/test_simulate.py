"""`simulate` runs the upstream until somebody ends it."""

import json
import signal
import socket
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.cli.commands import next_line, run, running

BODY = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}'


def complete(base_url: str, key: str) -> str:
    request = Request(f"{base_url}/chat/completions", BODY, {"Authorization": f"Bearer {key}"})
    with urlopen(request, timeout=10) as answer:
        text: str = json.load(answer)["choices"][0]["message"]["content"]
        return text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_those_who_have_the_key_until_it_is_ended(number: signal.Signals) -> None:
    with running("simulate", "--port", "0", "--key", "sk-right", "--seed", "7") as process:
        base_url = next_line(process.stdout, "http").split()[-1]
        assert complete(base_url, "sk-right")
        with pytest.raises(HTTPError) as refusal:
            complete(base_url, "sk-wrong")
        refusal.value.close()
        process.send_signal(number)

        assert process.wait(timeout=10) == 0
    assert refusal.value.code == 401


def test_a_port_that_is_taken_is_a_no() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = run("simulate", "--port", str(port))

    assert result.exit_code == 1
    assert f"cannot listen on port {port}" in result.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_what_is_no_port_is_wrong_usage(port: str) -> None:
    assert run("simulate", "--port", port).exit_code == 2
