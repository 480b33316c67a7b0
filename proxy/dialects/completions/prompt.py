"""All that is billed as input of a legacy completion call, as parts that can be counted.

A prompt is billed once, however many answers it gets, and nothing is rendered around it.
Source: https://platform.openai.com/docs/api-reference/completions/create
"""

from typing import Final

from pricing.prompt import Prompt, Text
from proxy.dialects.dialect import Request
from proxy.dialects.openai.texts import read_texts

START_TOKENS: Final = 1
"""A prompt that says nothing begins with `<|endoftext|>`, says the API."""

SUFFIX_TOKENS: Final = 4
"""What marks the text before, after and in the middle, and ends it. Unpublished; the markers
are `<|fim_prefix|>`, `<|fim_suffix|>`, `<|fim_middle|>` and `<|endofprompt|>` in cl100k_base:
https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py."""


def prompt_of(request: Request) -> Prompt:
    """Every prompt, and the suffix with each of them."""
    given = request.fields.get("prompt")
    prompts = (Text(""),) if given is None else read_texts(given, "prompt")
    framing_tokens = START_TOKENS * sum([each == Text("") for each in prompts])
    suffix = request.fields.get("suffix")
    if not suffix:
        return Prompt(prompts, framing_tokens)
    suffixes = (Text(suffix),) * len(prompts)
    return Prompt((*prompts, *suffixes), framing_tokens + SUFFIX_TOKENS * len(prompts))
