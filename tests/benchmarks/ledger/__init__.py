"""The ledger alone, beside the least that its promises can cost.

pair      what is asked: reserve and commit, over six budgets
homes     the ledger in each of its homes, opened for a while
callers   callers who each ask again when they are answered
probes/   the same rows or scripts with nothing of ours around them
player    the process that does all of these, one Job after another
race      every home and its probes, again and again, one beside the other
report    the table for people, JSON for programs
"""
