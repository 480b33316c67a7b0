"""What each model that may run a call would be sent, and whether it can serve it.

amounts   what a way to run a call holds, in each unit; pure arithmetic
bodies    the body as policy leaves it for a model
counting  how many tokens a prompt is
lacking   what a body asks for that a model cannot do
terms     how far calls may be cut down, and what bounds a hold
unbounded the refusal of a call that nothing bounds
wishes    what policies leave of a wish, by the balances of budgets
"""
