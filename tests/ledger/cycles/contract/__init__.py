"""The contract of a ledger, over the protocol and our own plane, as far as that has words."""
