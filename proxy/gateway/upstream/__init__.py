"""The network between us and the upstream: HTTP/1.1 over connections that are kept.

pool        connects, keeps idle connections, and puts requests on the wire
connection  one connection: bytes to a status, headers, and a body as it arrives
uploading   the rest of a body that goes on as it comes

Measured, a general-purpose client session costs more than half of a bare pass-through;
docs/decisions/upstream-connections.md.
"""
