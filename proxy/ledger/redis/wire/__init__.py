"""The way to a store.

    topology, cluster ─▶ link ─▶ dial ─▶ connection ─▶ the server

topology    which link leads to a key; cluster: one of many; slots: by a hash of the key
link        one connection, made again when it is gone
dial        opening one: socket, TLS, password, sentinels
connection  requests of one tick in one write, replies to their callers
replies     what the error replies of a server mean
faults      what can go wrong, and what the ledger's callers see of it
address     the URL of a store
timing      deadlines, pauses, backoff; time and chance are arguments
"""
