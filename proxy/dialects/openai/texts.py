"""What OpenAI's APIs take as plain text: one text or several, written out or as tokens."""

from typing import Final

from pricing.prompt import Text, Tokens
from proxy.dialects.wire.json_text import invalid

MAX_TEXTS: Final = 2_048
"""The most texts that one call may have.

Source: https://platform.openai.com/docs/api-reference/embeddings/create (input).
"""

_ACCEPTED: Final = (
    "must be a string, an array of strings, tokens as an array of whole numbers, "
    "or an array of such arrays"
)
_INT: Final = {int}


def read_texts(given: object, param: str) -> tuple[Text | Tokens, ...]:
    """A text, several of them, tokens, or several arrays of tokens.

    Raises:
        Refused: INVALID_REQUEST for anything else, for none and for more than MAX_TEXTS.
    """
    if type(given) is str:
        return (Text(given),)
    if type(given) is not list or not given:
        raise invalid(param, _ACCEPTED)
    if _are_tokens(given):
        return (Tokens(len(given)),)
    if len(given) > MAX_TEXTS:
        raise invalid(param, f"must have at most {MAX_TEXTS} texts")
    return tuple([_read_text(each, f"{param}[{place}]") for place, each in enumerate(given)])


def _read_text(given: object, param: str) -> Text | Tokens:
    if type(given) is str:
        return Text(given)
    if type(given) is list and _are_tokens(given):
        return Tokens(len(given))
    raise invalid(param, "must be a string or an array of whole numbers")


def _are_tokens(given: list[int]) -> bool:
    return set(map(type, given)) == _INT and min(given) >= 0
