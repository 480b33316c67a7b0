"""How a call is taken in, before anything is estimated.

intake  its body whole, or of a form as much as its price depends on
named   the model that a name stands for, whatever an upstream calls it
"""
