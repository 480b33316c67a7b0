"""Words that are exactly one token each, alone and after a space, in both vocabularies.

A text made of them has as many tokens as words, so a count of what was delivered is true.
"""

from random import Random

_TEXT = (
    "able about above action active address after again against age agree air all also "
    "always amount and animal answer any apple area arm around art ask away back bad ball "
    "bank base bear beat bed before begin best better big bird black blood blue board body "
    "book both box boy bread break bring build burn business buy call came can car card "
    "care carry case cat cause cell center change check child city class clean clear close "
    "cold color come common company complete control cook cool copy corner cost could "
    "count country course cover create cross current cut dark data day dead deal deep "
    "design detail door down draw dream dress drink drive drop dry early earth east easy "
    "eat edge effect end enter equal even event ever every example eye face fact fall"
)

WORDS = tuple(_TEXT.split())


def choose_words(random: Random, count: int) -> tuple[str, ...]:
    """`count` tokens of text: the first a word, each further one a space and a word."""
    words = random.choices(WORDS, k=count)
    return tuple(words[:1] + [f" {word}" for word in words[1:]])
