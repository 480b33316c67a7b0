"""python -m simulator: the upstream alone, on a port."""

import argparse
import asyncio
import signal
import sys

from simulator import Behaviour, run
from simulator.behaviour import read_behaviour


def main() -> int:
    """Serve until interrupted. Exit codes: 0 interrupted, 1 the port is taken, 2 misuse."""
    options = _options()
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error.strerror}\n")
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 picks a free one")
    parser.add_argument("--key", help="the API key that calls need; none: any will do")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same answers")
    parser.add_argument(
        "--behaviour",
        type=_behaviour,
        default=Behaviour(),
        help='how calls are answered, as JSON: {"wire": {"pace_ms": 20}}',
    )
    return parser.parse_args()


def _behaviour(text: str) -> Behaviour:
    try:
        return read_behaviour(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _serve(options: argparse.Namespace) -> None:
    serving = asyncio.current_task()
    assert serving is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await run(
            host=options.host,
            port=options.port,
            key=options.key,
            seed=options.seed,
            behaviour=options.behaviour,
        )
    except asyncio.CancelledError:
        return


if __name__ == "__main__":
    sys.exit(main())
