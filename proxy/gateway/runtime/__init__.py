"""What surrounds the steps of a call.

server   sockets to calls: one task for each, owned by the server
body     what a caller sends, whole or in pieces
door     a call as the steps see it, and its way back
front    the guard, the paths that pass, and the record of each call
headers  what passes through and what stays here
leases   open holds, kept alive from one timer
queue    calls that stand in line for busy budgets
tasks    background work that outlives the request it came from
record   what a call's log line and figures are made of
admin    health and metrics
trace    the id that ties a call to its caller's trace
"""
