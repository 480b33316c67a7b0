"""Official SDKs and frameworks, each a program of its own that is asked through a pipe.

programs/  one for each SDK, in its language: what its users would write
sdk        which there are, and a conversation with one
refusals   what each makes of a refusal: how often it tries, and what its user sees
"""
