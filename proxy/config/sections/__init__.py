"""The sections of the configuration, each in the words of its own subject.

base        what every section is, and how values are written
network     listen, upstreams, limits, responses
identity    identity, keys
budgets     budgets
policies    policies, degrade, queue
pricing     pricing
ledger      ledger, settle
"""
