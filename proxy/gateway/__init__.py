"""The way of one call, one file a step; read `pipeline.py` first.

identify  estimate  reserve  shape  forward  meter  settle

Beside them: ending (how a call ended, and what that does to its hold), charge (what it cost),
metered (what came of its answer), respond (refusals and budget headers), routes (which upstream
serves a model). `hearing/` takes a call in, `candidates/` is each model that may run it,
`stream/` keeps holds ahead of streams, `outbox/` is what the ledger could not be told yet.
`attempts/` lives the steps from `reserve` on, once for each request that goes upstream;
`dedupe/` is what came before, `tools/` what the use of tools counts for. `upstream/` is the
network behind `forward`, `websocket/` calls that are frames, and `runtime/` what surrounds a
call: sockets, tasks, leases, lines for busy budgets, records.
"""
