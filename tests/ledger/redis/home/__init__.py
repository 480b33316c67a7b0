"""The shared home as it is in production: its own scripts, the store's time, several processes.

What every home must do is asked in tests/ledger/contract.
"""
