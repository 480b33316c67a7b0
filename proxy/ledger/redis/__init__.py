"""The shared home: one store for many proxies, Redis or Valkey.

ledger      every operation of the contract
process     one of many on a store, and how it asks
tenants     whose books there are, and which follow the configuration
failover    what is asked again when the store may have forgotten it
asking      one question to one tenant's books; requests and answers are its words
reading/    questions that change nothing
upkeep/     leases, seals, retention, and whether all of it is true
layout      what the store keeps, and how it is called there
lua/        what decides: a script an operation, on the parts in lua/lib

store       runs a script on the keys of one tenant, or says why it cannot
call        one operation on its way: its request, and when it is tried again
script      the Lua of an operation, put together from its files
fitness     what is asked of a store before it may hold a ledger
wire/       the way there: addresses, connections, replies, sentinels, clusters
"""
