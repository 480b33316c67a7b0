"""What came before: calls with an `Idempotency-Key` are made once, and answered from memory.

calls       makes each once, or answers what was answered before
places      the keys of this process, within their window and their memory
recording   what was answered to the first call
denials     what budgets said just now, to calls with a key and without

The ledger makes the hold once, whatever becomes of this process. What was answered is known
here alone, for a while: prompts and answers reach no disk and no store. Source:
docs/semantics.md, "Retries and replays"; field-report 78, 79.
"""
