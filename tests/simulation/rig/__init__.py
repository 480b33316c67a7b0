"""What a proxy lives in: time, a disk, callers and an upstream, all of them scripted.

virtual   time that jumps, an event loop that lives in it, and sudden death
disk      the file of the ledger, and the troubles that its statements meet
door      a caller: what it asks, how fast it listens, when it leaves
upstream  the network and the provider behind it, with a bill of its own
process   one proxy without sockets, from its start to its end
"""
