"""The server under load: `python -m proxy serve`, its ledger in a file or in a store."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.benchmarks.contenders import Launch, six_budgets
from tests.benchmarks.instruments.processes import HOST, free_port, python
from tests.benchmarks.protocol.requests import SECRET


@dataclass(frozen=True, slots=True)
class Home:
    """Where the ledger is. `url` of a store; without one, a new file for each server."""

    name: str
    title: str
    url: str = ""

    def ledger_url(self, directory: Path) -> str:
        """The ledger of the server that lives in `directory`."""
        return self.url or f"sqlite:///{directory / 'ledger.db'}"


FILE = Home("sqlite_process", "SQLite, process")


def launch(home: Home, directory: Path) -> Launch:
    """How to start it: six budgets of one tenant, and one key."""
    port, admin_port = free_port(), free_port()
    config = {
        "listen": {
            "proxy": f"{HOST}:0",
            "authority": f"{HOST}:{port}",
            "admin": f"{HOST}:{admin_port}",
        },
        "ledger": {"url": home.ledger_url(directory)},
        "upstreams": [
            {
                "name": "nobody",
                "base_url": f"http://{HOST}:9/v1",
                "api_key": "sk-upstream",
                "api": "openai",
                "models": ["*"],
            }
        ],
        "keys": [
            {
                "name": "bench",
                "sha256": hashlib.sha256(SECRET.encode()).hexdigest(),
                "subject": {"tenant": "bench"},
            }
        ],
        "budgets": six_budgets(),
    }
    file = directory / "config.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return Launch(
        python("proxy", "serve", "-c", str(file)), port, f"http://{HOST}:{admin_port}/readyz"
    )
