"""Which function is which step, in the order of a call.

A function is named where it is looked up: one that another module imports by name stands
in that module too. A test says when one has moved.
"""

_GATEWAY = "proxy.gateway"
_SERVER = f"{_GATEWAY}.runtime.server"
_PIPELINE = f"{_GATEWAY}.pipeline"
_ATTEMPT = f"{_GATEWAY}.attempts.attempt"
_METER = f"{_GATEWAY}.meter"
_POOL = f"{_GATEWAY}.upstream.pool"
_LEDGER = "proxy.ledger.sqlite"

STEPS = {
    f"{_SERVER}:Reception.__call__": "the call at the door",
    f"{_GATEWAY}.runtime.front:Front.handle": "front: guard, route",
    f"{_GATEWAY}.identify:Identifier.identify": "identify",
    f"{_PIPELINE}:Pipeline.run": "pipeline: from step to step",
    f"{_SERVER}:SocketDoor.body": "take the body off the socket",
    "proxy.dialects.chat.request:read_object": "read the body",
    f"{_GATEWAY}.estimate:Estimator.plan": "estimate: price the plan",
    f"{_GATEWAY}.estimate:Counter.count": "estimate: count tokens",
    f"{_GATEWAY}.reserve:Reserver.reserve": "reserve: make the request",
    f"{_LEDGER}.ledger:SqliteLedger.reserve": "ledger: ask and wait",
    f"{_LEDGER}.operations.hold:reserve": "ledger: reserve",
    f"{_ATTEMPT}:shape": "shape",
    f"{_POOL}:HttpUpstream.connect": "forward: find a connection",
    f"{_LEDGER}.ledger:SqliteLedger.dispatch": "ledger: ask and wait",
    f"{_LEDGER}.operations.hold:dispatch": "ledger: dispatch",
    f"{_GATEWAY}.forward:Forwarder.send": "forward: headers",
    f"{_POOL}:HttpLine.send": "forward: send, wait for a status",
    f"{_ATTEMPT}:budget_headers": "headers for the caller",
    f"{_ATTEMPT}:client_headers": "headers for the caller",
    f"{_GATEWAY}.upstream.connection:Connection.data_received": "forward: parse what arrives",
    f"{_METER}:read_whole": "meter: gather the answer",
    f"{_METER}:StreamRelay.run": "meter: relay the stream",
    f"{_POOL}:HttpLine.read": "meter: take bytes off the connection",
    "proxy.dialects.answer:read_leniently": "meter: read the answer",
    f"{_METER}:AnswerStream.feed": "meter: read along a stream",
    f"{_SERVER}:SocketDoor.write": "meter: pass bytes on",
    f"{_GATEWAY}.charge:Pricer.sentence": "settle: price what was used",
    f"{_GATEWAY}.settle:Settler.settle": "settle: end the hold",
    f"{_LEDGER}.ledger:SqliteLedger.commit": "ledger: ask and wait",
    f"{_LEDGER}.operations.settle:commit": "ledger: commit",
    f"{_LEDGER}.group:Group._run": "ledger: transaction of a tick",
    f"{_GATEWAY}.runtime.record:Recorder.close": "log line and metrics",
}

REST = "the rest: HTTP server, event loop, other threads"
