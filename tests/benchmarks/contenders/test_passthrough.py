import aiohttp
from aiohttp.test_utils import TestServer

from tests.benchmarks.conftest import Listen
from tests.benchmarks.contenders.passthrough import make_app
from tests.benchmarks.instruments.exchange import (
    PATH,
    Requests,
    StreamScript,
    json_answer,
    stamp_in,
)
from tests.benchmarks.instruments.upstream import HOST, Upstream


async def through_passthrough(listen: Listen, script: StreamScript | None) -> tuple[str, bytes]:
    port = await listen(Upstream)
    body = Requests("bench", script).next().partition(b"\r\n\r\n")[2]
    async with (
        TestServer(make_app(f"http://{HOST}:{port}")) as server,
        aiohttp.ClientSession() as client,
        client.post(server.make_url(PATH), data=body) as answer,
    ):
        assert answer.status == 200
        return answer.content_type, await answer.read()


async def test_a_json_answer_passes_unchanged(listen: Listen) -> None:
    content_type, body = await through_passthrough(listen, None)
    assert content_type == "application/json"
    assert body == json_answer().partition(b"\r\n\r\n")[2]


async def test_a_stream_passes_event_by_event(listen: Listen) -> None:
    content_type, body = await through_passthrough(listen, StreamScript(chunks=3, pace_us=0))
    assert content_type == "text/event-stream"
    events = body.split(b"\n\n")
    assert [stamp_in(event) is not None for event in events] == [True] * 3 + [False] * 3
    assert events[-2:] == [b"data: [DONE]", b""]
