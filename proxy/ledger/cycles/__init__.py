"""A ledger elsewhere: an authority of the Cycles protocol, and we are its client.

    ledger      the operations of the contract that the protocol has words for
    books       what it has no words for, and who does it instead
    holding     a plan is tried until something of it is granted
    seeking     a plan as attempts, one after the other
    settling    how reservations end, and what is charged without one
    heartbeat   when a lease is to be extended: the formula of the protocol
    inspecting  whether it will do, for `spendgate check`
    looking     balances and reservations, page by page
    told        what the authority has said of money in passing
    parts       one reservation there for each unit, and how they are named as one
    address     where it is
    asking/     questions, answers, and what its errors mean

Money is held there in one unit at a time, so a plan is not one step there, as it is in our
own homes. Source: cycles-protocol-v0.yaml 0.1.25.16; docs/semantics.md, "Homes".
"""
