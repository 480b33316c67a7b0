"""The authority: the Cycles protocol, served from the same ledger as the calls of the proxy.

    plane       one request: who, where to, what came of it
    operations/ one operation of the protocol a file, and the table of them all
    sub_budgets/ what a parent carves for a sub-agent, and the key that spends it
    auth        which key it is, whose money it may spend, and what it may see
    errors      every way to say no, as the protocol says it
    exchange    a request and its answer, without a socket
    query       what stands after the question mark, and cursors
    rows        reservations and balances of the ledger as the wire has them
    openapi     the same operations as a document, and a page to read it

What a request is, and what an answer, stands in `cycles_wire`; what holds mean, in `ledger`.
For users: docs/protocol.md.
"""
