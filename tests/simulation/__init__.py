"""Whole lives of the proxy in one process, in virtual time, from one seed each.

A seed draws a plan: a configuration, calls, and what befalls the proxy meanwhile. A world
lives it with the real pipeline and the real ledger, on an event loop whose clock jumps. A
judge then compares what the ledger says with the bill of an upstream that the proxy knows
nothing of. No sockets, no threads, no wall clock: a seed always lives the same life.

    plan, draw, draw_call   what will happen, as data; and how it is drawn
    rig/                    time, disk, callers, upstream, process: all of them scripted
    world, outside          lives a plan; operators who work with the same file
    judge/                  the rules, by semantics 1
    seeds                   many lives by their seeds, on the command line
    trial                   one plan lived and judged; the least of it that still breaks

    python -m tests.simulation 17        one seed, and what it takes to break a rule
    python -m tests.simulation 0-9999    many of them, on all processors
"""
