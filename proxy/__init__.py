"""Spendgate: a sidecar proxy that holds AI agents to their budgets.

One call goes this way, one file a step, all in `gateway/`; `pipeline.py` is the story:

    identify ─▶ estimate ─▶ reserve ─▶ shape ─▶ forward ─▶ meter ─▶ settle

    identify   who is spending: a subject
    estimate   the most the call can cost, as a plan of rungs from dear to cheap
    reserve    one atomic hold over every budget of the subject, or a refusal
    shape      the body that the granted rung pays for
    forward    one upstream call, with our credential
    meter      what was used, read from the bytes on their way to the client
    settle     charge it or give it back, exactly once

An attempt that failed before its answer began may be made again, or elsewhere (`attempts/`):
from reserve to settle anew, under a hold of its own.

Behind the steps:

    dialects/  one LLM API a room: its requests, answers, streams and refusals; pure
    ledger/    where money is held; the rules, and homes for them: a file, a store, an
               authority elsewhere
    domain/    the words: money, subject, scope, period, errors
    authority/ the Cycles protocol on a port of its own, from the same ledger
    cycles_wire/ what stands on the wire of that protocol, for both ends of it
    policies/  what operators change in a call, and when
    config/    the YAML people write, its documentation and its checks
    observe/   metrics and logs
    cli/       the commands

`app.py` puts concrete classes together, with `opening.py` (ledgers) and `outgoing.py` (upstreams).

Beside this package: `pricing` (what a call can cost and did cost) and `simulator` (an
upstream with a bill of its own); neither knows this package.
"""
