"""`spendgate simulate`: the simulated upstream alone, on a port."""

import asyncio
import signal

import click

from proxy.cli.output import say_no


@click.command("simulate")
@click.option("--port", type=click.IntRange(0, 65_535), default=9100, show_default=True)
@click.option("--key", help="The API key that calls need. Without it any will do.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same answers.")
def simulate_command(port: int, key: str | None, seed: int) -> None:
    """Run a simulated upstream with a bill of its own.

    It speaks OpenAI's chat completions, responses (over WebSocket, too), completions, embeddings,
    images, audio, moderations and files, and Anthropic's messages. It answers on 127.0.0.1 until
    it is interrupted; port 0 picks a free one. The header x-simulate of a call tells it to
    misbehave: simulator/README.md says how. Its bill is at /simulator/bill.

    \b
    spendgate simulate --port 9100
    UPSTREAM_BASE_URL=http://127.0.0.1:9100/v1 OPENAI_API_KEY=any spendgate serve --budget 5.00
    """
    try:
        asyncio.run(_simulate(port, key, seed))
    except OSError as error:
        say_no(f"cannot listen on port {port}: {error.strerror}")


async def _simulate(port: int, key: str | None, seed: int) -> None:
    from simulator import run

    serving = asyncio.current_task()
    assert serving is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await run(port=port, key=key, seed=seed)
    except asyncio.CancelledError:
        return
