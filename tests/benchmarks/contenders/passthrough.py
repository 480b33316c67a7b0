"""The yardstick: a plain aiohttp application and client session that pass a call through.

No identity, no budget, no metering, no hygiene; what any proxy on these libraries costs
before it does anything.
"""

import sys
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web

from tests.benchmarks.instruments.exchange import PATH

_UPSTREAM = web.AppKey("upstream", str)
_SESSION = web.AppKey("session", aiohttp.ClientSession)
_HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer sk-upstream"}


async def forward(request: web.Request) -> web.StreamResponse:
    """Send the body on; relay the answer as it comes when it is a stream."""
    body = await request.read()
    app = request.app
    async with app[_SESSION].post(app[_UPSTREAM], data=body, headers=_HEADERS) as answer:
        headers = {"Content-Type": answer.headers.get("Content-Type", "")}
        if not headers["Content-Type"].startswith("text/event-stream"):
            whole = await answer.read()
            return web.Response(status=answer.status, body=whole, headers=headers)
        relayed = web.StreamResponse(status=answer.status, headers=headers)
        await relayed.prepare(request)
        async for piece in answer.content.iter_any():
            await relayed.write(piece)
        await relayed.write_eof()
        return relayed


async def ready(_: web.Request) -> web.Response:
    """Serving."""
    return web.Response()


def make_app(upstream: str) -> web.Application:
    """The application in front of `upstream`, a base URL."""
    app = web.Application(client_max_size=2**24)
    app[_UPSTREAM] = upstream + PATH
    app.cleanup_ctx.append(_open_session)
    app.router.add_post(PATH, forward)
    app.router.add_get("/readyz", ready)
    return app


async def _open_session(app: web.Application) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector) as session:
        app[_SESSION] = session
        yield


def main(port: int, upstream: str) -> None:
    """Serve on loopback until ended."""
    loop = uvloop.new_event_loop()
    web.run_app(make_app(upstream), host="127.0.0.1", port=port, access_log=None, loop=loop)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
