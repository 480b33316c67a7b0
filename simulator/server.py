"""The upstream as a server: in process for tests, or on a port of its own.

For tests, `async with Simulator() as simulator` and `simulator.base_url`; alone, `run`.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from simulator.azure import Azure
from simulator.behaviour import Behaviour
from simulator.bill import BillLine
from simulator.endpoint import ChooseBehaviour, Endpoint, Settings, always
from simulator.models import MODELS, Model
from simulator.prompt.vocabulary import Vocabulary
from simulator.records import Records, RequestSeen
from simulator.routes import Routes
from simulator.wire.deliver import Sleep

# When nobody gives a clock, every answer is of the same moment: runs can be compared.
FIXED_NOW_S = 1_790_000_000
LONGEST_BODY_BYTES = 512 * 1024 * 1024
STOP_TIMEOUT_S = 1.0


class Simulator:
    """An upstream with a bill of its own.

    `behaviour` answers every call, or is asked for each; a header `x-simulate` on a call and
    then a script come first. With a `key`, calls need it as their bearer token or x-api-key.
    The same `seed` gives the same answers. With `deployments`, each with the model that it is
    of, it is Azure: `azure_url` is then what to take in place of `base_url`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str | None = None,
        seed: int = 0,
        behaviour: Behaviour | ChooseBehaviour = Behaviour(),  # noqa: B008 - it is frozen
        models: Mapping[str, Model] = MODELS,
        vocabulary_folder: Path | None = None,
        now_s: Callable[[], int] = lambda: FIXED_NOW_S,
        sleep: Sleep = asyncio.sleep,
        keep_bodies: bool = False,
        deployments: Mapping[str, str] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        settings = Settings(
            models=models,
            vocabulary=Vocabulary(vocabulary_folder),
            seed=seed,
            now_s=now_s,
            sleep=sleep,
        )
        self._records = Records(keep_bodies=keep_bodies)
        self._endpoint = Endpoint(settings, self._records)
        azure = Azure(deployments) if deployments is not None else None
        self._routes = Routes(self._endpoint, self._records, models, key, azure)
        self.behave(behaviour)
        self._runner: web.AppRunner | None = None
        self._handlers: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Listen. Raises OSError: the port is taken."""
        application = web.Application(client_max_size=LONGEST_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # A client that leaves ends its call at once: that is how an abort is noticed.
        self._runner = web.AppRunner(
            application,
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=STOP_TIMEOUT_S,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """End every call and stop listening."""
        if self._runner is None:
            return
        for handler in self._handlers:
            handler.cancel()
        await self._runner.cleanup()
        self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """Scheme, host and port. Raises RuntimeError: it does not listen."""
        if self._runner is None:
            raise RuntimeError("the simulator is not running")
        return f"http://{self._host}:{self._runner.addresses[0][1]}"

    @property
    def base_url(self) -> str:
        """What an SDK takes as its base URL."""
        return f"{self.address}/v1"

    @property
    def azure_url(self) -> str:
        """What an SDK for Azure takes as its base URL."""
        return f"{self.address}/openai"

    def behave(self, behaviour: Behaviour | ChooseBehaviour) -> None:
        """Answer so from now on."""
        self._endpoint.choose = always(behaviour) if isinstance(behaviour, Behaviour) else behaviour

    def script(self, *behaviours: Behaviour) -> None:
        """Answer the next calls so, one each, in the order in which they arrive."""
        self._records.script.extend(behaviours)

    def open_gate(self, name: str) -> None:
        """Let all go on that wait at this gate, now and later."""
        self._records.gate(name).set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, looking again whenever a call begins, moves or ends."""
        await self._records.until(condition)

    def reset(self) -> None:
        """Forget requests, bill, script and gates."""
        self._records.reset()

    @property
    def bills(self) -> list[BillLine]:
        """The bill as it stands, one line for each call that was understood."""
        return [tab.line() for tab in self._records.tabs]

    @property
    def total_microcents(self) -> int:
        """The sum of the bill."""
        return sum(line.amount_microcents for line in self.bills)

    @property
    def requests_seen(self) -> list[RequestSeen]:
        """All requests, whatever became of them."""
        return self._records.requests

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return self._records.in_flight

    @property
    def max_in_flight(self) -> int:
        """The most calls that were under way at once."""
        return self._records.max_in_flight

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            return await self._routes.answer(request)
        finally:
            self._handlers.discard(task)


def _machine_now_s() -> int:
    return time.time_ns() // 1_000_000_000


def _say(base_url: str) -> None:
    sys.stdout.write(f"the simulated upstream answers at {base_url}\n")
    sys.stdout.flush()


async def run(
    *,
    host: str = "127.0.0.1",
    port: int = 9100,
    key: str | None = None,
    seed: int = 0,
    behaviour: Behaviour = Behaviour(),  # noqa: B008 - it is frozen
    announce: Callable[[str], object] = _say,
) -> None:
    """Serve by the machine's clock until cancelled; `announce` is told the base URL at once.

    Raises OSError: the port is taken.
    """
    simulator = Simulator(
        host=host, port=port, key=key, seed=seed, behaviour=behaviour, now_s=_machine_now_s
    )
    async with simulator:
        announce(simulator.base_url)
        await asyncio.Event().wait()
