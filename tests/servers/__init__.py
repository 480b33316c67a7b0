"""Real servers for tests, and what spoils the way to them.

binaries      which servers this machine has
process       one server, started and ended
cluster       three masters that share the slots
sentinels     a master, its replica, and the sentinel that watches them
certificates  for servers that speak TLS
relay         stands in the way, and spoils what it is told to
fixtures      all of these as pytest fixtures, once a session
"""
