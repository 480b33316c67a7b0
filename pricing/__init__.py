"""What a call can cost, and what it did cost. Stands alone: knows no proxy, no budget.

usage       what a provider counted: the quantities that are billed
card        the rates of one model, exact, with their source
catalogue   which card a model has: overrides first, then the genai-prices package
override    prices and limits that users state, and what looks wrong about them
published/  prices as others publish them, made exact
profile     what a model can do: window, output limit, tokenizer, hidden output
prompt      what goes in, as parts that can be counted
bound       the most tokens a prompt can be, and how good that bound is
images      how many tokens an image is that goes in, by the published rules
drawing     how many tokens one is that comes out
measures    what is billed by something else than tokens
cost        rates x quantities, rounded once, up; and its inverse
tokens/     the tokenizers, with their vocabulary files beside them

Amounts are microcents (1 USD = 10**8), always int.
"""
