"""A home beside the model, through lives that a seed draws.

operations   what a caller can ask, as data
steps        what happens in a life: questions in one tick, looks, time, a kill
draw         the next step, by a seed and by how things stand in the model
comparison   a step for both, and what must be true after it
life         whole lives, and the least of a plan that still breaks

    python -m tests.ledger.machine sqlite 17        that life again
    python -m tests.ledger.machine sqlite 0-9999    many of them
"""
