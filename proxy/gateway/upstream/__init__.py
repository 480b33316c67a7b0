"""The network between us and the upstream: HTTP/1.1 over connections that are kept.

addressing   where a request goes below the base URL: paths, and deployments of Azure's
credential   what the upstream is to see, in the header it knows
secrets      where that comes from: the configuration, a file, a command
pool         keeps idle connections, and puts requests on the wire
dial         how a connection comes about: straight, or through an HTTP proxy
tls          whom we trust, who we are, and sessions that are taken up again
connection   one connection: bytes to a status, headers, and a body as it arrives
uploading    the rest of a body that goes on as it comes
echo         what an upstream repeats of our credential stays here

Measured, a general-purpose client session costs more than half of a bare pass-through;
docs/decisions/upstream-connections.md.
"""
