"""Commands as a shell runs them, and the configuration they are given."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from proxy.cli import main

BUDGETS = """
  - {scope: "tenant:dev", allocated: $10.00, period: month}
  - {scope: "tenant:dev/agent:*", allocated: $1.00, period: day}
"""


def run(*arguments: str, stdin: str | None = None, **environment: str | None) -> Result:
    """Run `spendgate` with these arguments. A crash of it is a failure of the test."""
    result = CliRunner().invoke(main, arguments, input=stdin, env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@contextmanager
def running(*arguments: str, cwd: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """`spendgate` in a process of its own, which is gone afterwards."""
    command = [sys.executable, "-m", "proxy", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=cwd) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(stream: Any, word: str) -> str:
    """The next line of a process that has this word in it."""
    line: str = next(line for line in stream if word in line)
    return line


def answered(*arguments: str) -> Any:
    """What a command prints with `--json`, having said yes."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def write_config(
    folder: Path, *, budgets: str = BUDGETS, ledger_url: str | None = None, more: str = ""
) -> Path:
    """A configuration whose ledger lies beside it, or is elsewhere."""
    file = folder / "spendgate.yaml"
    file.write_text(
        f"""
ledger: {{url: "{ledger_url or f"sqlite:///{folder / 'spendgate.db'}"}"}}
upstreams: [{{name: openai, base_url: "https://api.openai.com/v1", api_key: none}}]
identity: {{default: {{tenant: dev}}, accept: [agent]}}
budgets: {budgets}
{more}
""",
        encoding="utf-8",
    )
    return file
