"""A running `spendgate serve` where the documentation of the clients expects a server.

Its authority is on port 7878, as they print it, with keys whose secrets are what they print.
Model calls of the examples go through the proxy to the simulated upstream, and are paid by a
tenant of their own: what a client reserves and what a call costs stay apart.
"""

import asyncio
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from proxy.domain.money import Unit, written
from proxy.domain.reservation import State
from proxy.ledger.records import Reservation
from simulator.models import MODELS
from simulator.server import Simulator
from tests.clients.printed import PYTHON
from tests.e2e.program import books_of, serving, write_config
from tests.e2e.stack import EVERYTHING

PORT = 7878
USD, RISK_POINTS = Unit.USD_MICROCENTS, Unit.RISK_POINTS
ACME, ACME_CORP, MODEL_CALLS = "acme", "acme-corp", "models"
SECRETS = {ACME: "...", ACME_CORP: "cyc_live_...", MODEL_CALLS: "sk-..."}
"""The keys as the documentation prints them, by their tenant."""

CLAUDE = "claude-sonnet-4-6"
"""The model that is written into the examples; the simulated upstream sells an older one."""
CLAUDE_MAX_OUTPUT_TOKENS = 128_000
"""https://platform.claude.com/docs/en/about-claude/models/overview; the client asks for all."""
GPT = "gpt-5-mini"

ENOUGH: Mapping[tuple[str, Unit], int] = {
    (ACME, USD): 100_000_000,
    (ACME_CORP, USD): 100_000_000,
    (ACME_CORP, RISK_POINTS): 1_000,
    (MODEL_CALLS, USD): 10_000_000_000,
}
PATIENCE_S = 60.0
_TOP_LEVEL = Path(__file__).with_name("top_level.py")


@dataclass(frozen=True)
class Ran:
    """How a program ended, and what the books say afterwards.

    `spent` has the budgets that something was spent from; `asked` the bodies that the upstream
    got, the oldest first.
    """

    code: int
    output: str
    errors: str
    spent: Mapping[tuple[str, Unit], int]
    rows: tuple[Reservation, ...]
    asked: tuple[str, ...]
    billed: int

    @property
    def spent_by_clients(self) -> dict[tuple[str, Unit], int]:
        """What the clients reserved and committed themselves."""
        return {name: amount for name, amount in self.spent.items() if name[0] != MODEL_CALLS}

    def assert_sound(self) -> None:
        """It ended well, nothing is held any more, and its model calls were paid by their bill."""
        assert self.code == 0, f"{self.output}\n{self.errors}"
        assert {row.state for row in self.rows} <= {State.COMMITTED}
        assert self.spent.get((MODEL_CALLS, USD), 0) == self.billed


@dataclass
class Stand:
    """The server, the upstream behind it, and where their files are."""

    folder: Path
    simulator: Simulator
    base_url: str

    async def run(self, *texts: str, tenant: str) -> Ran:
        """These programs in one module, with the key of this tenant in the environment."""
        files = []
        for number, text in enumerate(texts):
            files.append(self.folder / f"program_{number}.py")
            files[-1].write_text(text, "utf-8")
        return await self._ran([str(_TOP_LEVEL), *map(str, files)], tenant)

    async def run_script(self, name: str, text: str, *, tenant: str) -> Ran:
        """A script by itself, as `python name`."""
        file = self.folder / name
        file.write_text(text, "utf-8")
        return await self._ran([str(file)], tenant)

    async def _ran(self, arguments: Sequence[str], tenant: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env=self._environment(tenant),
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return await self._read_books(process.returncode, output.decode(), errors.decode())

    def _environment(self, tenant: str) -> dict[str, str]:
        key = SECRETS[MODEL_CALLS]
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "CYCLES_BASE_URL": f"http://localhost:{PORT}",
            "CYCLES_API_KEY": SECRETS[tenant],
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": key,
            "OPENAI_DEFAULT_MODEL": GPT,
            # Traces go to the provider, whatever the base URL is.
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "ANTHROPIC_BASE_URL": self.base_url.removesuffix("/v1"),
            "ANTHROPIC_API_KEY": key,
        }

    async def _read_books(self, code: int, output: str, errors: str) -> Ran:
        async with books_of(self.folder) as books:
            rows = await books.reservations(states=frozenset(State), limit=EVERYTHING)
            balances = await books.all_balances()
        assert not any(balance.reserved for balance in balances)
        spent = {
            (str(balance.scope).removeprefix("tenant:"), balance.unit): balance.spent
            for balance in balances
            if balance.spent
        }
        seen = tuple((request.body or b"").decode() for request in self.simulator.requests_seen)
        billed = self.simulator.total_microcents
        return Ran(code, output, errors, spent, tuple(reversed(rows)), seen, billed)


@asynccontextmanager
async def standing(
    folder: Path, changed: Mapping[tuple[str, Unit], int | None] | None = None
) -> AsyncIterator[Stand]:
    """The server with enough in its budgets, but for what is `changed`, until the block ends.

    None: there is no such budget.
    """
    _assert_the_port_is_free()
    claude = replace(
        MODELS["claude-sonnet-4-5"],
        name=CLAUDE,
        snapshot=CLAUDE,
        max_output_tokens=CLAUDE_MAX_OUTPUT_TOKENS,
    )
    models = {**MODELS, CLAUDE: claude}
    async with Simulator(models=models, keep_bodies=True) as simulator:
        file = write_config(folder, simulator.base_url, **_sections(simulator, changed or {}))
        async with serving(file) as program:
            yield Stand(folder, simulator, program.base_url)


def _sections(
    simulator: Simulator, changed: Mapping[tuple[str, Unit], int | None]
) -> dict[str, Any]:
    keys = [
        {
            "name": tenant,
            "sha256": hashlib.sha256(secret.encode()).hexdigest(),
            "subject": {"tenant": tenant},
        }
        for tenant, secret in SECRETS.items()
    ]
    allocated = {**ENOUGH, **changed}
    budgets = [_budget(*name, amount) for name, amount in allocated.items() if amount is not None]
    upstream = {"base_url": simulator.base_url, "api_key": "none"}
    price = {"model": CLAUDE, "input_per_mtok": 3.00, "output_per_mtok": 15.00}
    limits = {
        "context_window": 200_000,
        "max_output_tokens": CLAUDE_MAX_OUTPUT_TOKENS,
        "tokenizer": "o200k_base",
    }
    return {
        "listen": {
            "proxy": "127.0.0.1:0",
            "authority": f"127.0.0.1:{PORT}",
            "admin": "127.0.0.1:0",
        },
        "identity": {"default": {}},
        "keys": keys,
        "budgets": budgets,
        "upstreams": [
            {"name": "claude", "api": "anthropic", "models": ["claude-*"], **upstream},
            {"name": "gpt", "api": "openai", "models": ["*"], **upstream},
        ],
        "pricing": {"overrides": [{**price, **limits}]},
    }


def _budget(tenant: str, unit: Unit, amount: int) -> dict[str, Any]:
    allocated = written(amount, unit) if unit is USD else amount
    return {
        "scope": f"tenant:{tenant}",
        "unit": unit.value,
        "allocated": allocated,
        "period": "none",
    }


def _assert_the_port_is_free() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            raise AssertionError(
                f"port {PORT} is taken, and the examples have it written in them"
            ) from None
