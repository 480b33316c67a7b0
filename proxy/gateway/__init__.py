"""The way of one call, one file a step; read `pipeline.py` first.

identify  estimate  reserve  shape  forward  meter  settle

Around them: server (sockets to calls), respond (refusals and budget headers), headers
(what passes and what is dropped), policy (which caps a budget asks for), ending (how a
call ended, and what that means for its hold), leases (holds kept alive from one timer).
"""
