"""Tools as actions: what their use costs, what it risks, and how often a run may use them.

listed    which tools of a call are listed, what is held for them and charged; pure
dropping  which of them go when risk points are short; pure
counting  how often a run has called them, shared by all proxies of a ledger
"""
