"""A ledger in dictionaries: the oracle that every home is compared with.

It shares the pure rules with the homes and nothing else: no file, no cache, no script. What
a home stores, finds and leaves alone is what it checks. A refused operation changes
nothing, whatever it had begun.

values    what is remembered, in values that are replaced and never changed
windows   balances, their windows, and the journal
budgets   which budgets there are: configuration, templates, operators
tenants   which tenants are stopped, and the answers that are kept for them
holds     a hold until its call is over, and events
endings   its end, what is paid later, and what time does
questions what is asked that makes no hold
listing   rows, sorted and page by page
ledger    the operations as one asks them, one after the other
home      the same as a home, so that the tests of the contract judge the oracle too
"""

from tests.ledger.model.ledger import Model

__all__ = ["Model"]
