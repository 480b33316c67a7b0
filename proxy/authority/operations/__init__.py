"""The operations of the protocol, one file a subject, and the table of them all.

reserve     POST /v1/reservations
settle      POST /v1/reservations/{reservation_id}/commit, /release, /extend
decide      POST /v1/decide
events      POST /v1/events
listing     GET /v1/reservations and /v1/reservations/{reservation_id}
balances    GET /v1/balances
introspect  GET /v1/auth/introspect
judging     what reserving and deciding share
table       which operation answers where, and what it takes
"""
