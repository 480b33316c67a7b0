"""The way of one call, one file a step; read `pipeline.py` first.

identify  estimate  reserve  shape  forward  meter  settle

Beside them: policy (what a budget changes in a wish), ending (how a call ended, and what
that does to its hold), charge (what it cost), respond (refusals and budget headers).
`runtime/` is what surrounds a call: sockets, tasks, leases, records.
"""
