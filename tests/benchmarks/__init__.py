"""Benchmarks: what a call costs through the proxy, beside the least that a proxy can cost.

    __main__       the command line behind `make bench`
    contenders/    who is measured: direct, a bare pass-through, the proxy without and with budgets;
                   passthrough is the yardstick of every ratio
    proxy/         the course that the contenders run, again and again, one beside the other
    course         what every course brings: entrants and their samples, how quiet it was
    figures        from samples to figures: best, median, spread, added, ratio
    remarks        what every report says; shown: a report as people see it, for tests
    steps/         one call's steps, each timed by itself: where the microseconds go
    ledger/        the ledger alone in each of its homes, beside probes that do the same work
    protocol/      decide, reserve and commit of the Cycles protocol over HTTP
    instruments/   the fake upstream, the load generator, processes and their CPU time

A benchmark reports; it fails only when a contender could not be measured.
How to read the figures: docs/performance.md.
"""
