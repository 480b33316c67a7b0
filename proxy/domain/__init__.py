"""The words of the product, with no input or output behind them.

money        amounts and units, always integers
subject      who is spending: six levels and free dimensions
scope        paths derived from a subject, and the patterns that match them
period       the windows a budget lives in
reservation  the states of a hold
decision     ALLOW, ALLOW_WITH_CAPS, DENY, and the caps
policy       what operators change in calls, by scope and by how much is used up
errors       every refusal, with a stable reason
clock        time is an argument
"""
