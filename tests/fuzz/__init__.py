"""Whole proxies under bytes that nobody should send, in virtual time, from one seed each.

A seed draws a life: a configuration, and some exchanges one after the other. Each is a call
and an answer from the public documentation, changed in a few places: in the JSON, the events,
the coding, the head, the framing, the bytes, the pieces they come in and how they end. The
server lives it as it is, listeners, parsers, pipeline and ledger, on a network in memory.

    corpus      calls and their answers, as documented
    message     one of them on its way to bytes, and what it becomes on the wire
    mutations/  the changes, by what they change
    draw        a life from a seed
    network     an event loop whose connections are lists of bytes
    world       lives a life, and watches
    trial       one life judged; the fewest changes that still break a rule

    python -m tests.fuzz 17        one seed, and what it takes to break a rule
    python -m tests.fuzz 0-999     many of them, on all processors
"""
