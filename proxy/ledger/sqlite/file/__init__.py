"""The file under the ledger: how it is opened, guarded, kept small, and how it fails."""
