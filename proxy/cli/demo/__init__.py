"""`spendgate demo`: agents held to a budget that is too small, over real connections.

command     the command
stage       who plays: budgets, policy, agents, what they ask and what they are answered
agents      one agent: it asks until it is told not to
tally       what agents were told: counts by scope, and the last decisions
course      upstream, proxy and agents, from the first call to the last
inspect     whether every promise was kept, by the journal and by the upstream's own bill
screen      all of it for people, live on a terminal, line by line elsewhere
"""
