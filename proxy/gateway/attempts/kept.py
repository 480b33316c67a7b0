"""What a call refers to that one upstream alone keeps: another one would know nothing of it."""

from typing import Final

from proxy.dialects.dialect import Request

_OF_EARLIER_CALLS: Final = ("previous_response_id", "conversation", "container")
"""Fields of Responses and of Messages. Sources:
https://platform.openai.com/docs/api-reference/responses/create,
https://platform.claude.com/docs/en/api/messages"""

_OF_FILES: Final = (b'"file_id"', b'"file_ids"', b'"vector_store_ids"')


def refers_to_kept(request: Request) -> bool:
    """Whether it names an earlier response, a conversation, a stored prompt, or a file.

    A text that quotes the name of such a field counts too: the call then goes nowhere else.
    """
    fields = request.fields
    names_stored_prompt = isinstance(fields.get("prompt"), dict)
    names_earlier_call = any(fields.get(name) for name in _OF_EARLIER_CALLS)
    names_file = any(name in request.body for name in _OF_FILES)
    return names_stored_prompt or names_earlier_call or names_file
