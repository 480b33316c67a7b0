"""The shared home: one store for many proxies, Redis or Valkey.

store       runs a script on the keys of one tenant, or says why it cannot
call        one operation on its way: its request, and when it is tried again
script      the Lua of an operation, put together from its files
fitness     what is asked of a store before it may hold a ledger
wire/       the way there: addresses, connections, replies, sentinels, clusters
"""
