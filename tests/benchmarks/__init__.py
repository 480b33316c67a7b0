"""Benchmarks: what a call costs through the proxy, beside the least that a proxy can cost.

    __main__       the command line behind `make bench`
    contenders/    who is measured: direct, a bare pass-through, the proxy without and with budgets;
                   passthrough is the yardstick of every ratio
    rounds         the course every contender runs, again and again, one beside the other
    figures        from samples to figures: best, median, spread, added, ratio
    report         its tables for people, JSON for programs; remarks: what every table says
    steps/         one call's steps, each timed by itself: where the microseconds go
    ledger/        the ledger alone in each of its homes, beside probes that do the same work
    protocol/      decide, reserve and commit of the Cycles protocol over HTTP
    instruments/   the fake upstream, the load generator, processes and their CPU time

A benchmark reports; it fails only when a contender could not be measured.
How to read the figures: docs/performance.md.
"""
