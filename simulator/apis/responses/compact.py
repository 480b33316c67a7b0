"""POST /v1/responses/compact: a long conversation becomes a short one that nobody can read.

Source: https://developers.openai.com/api/reference/resources/responses/methods/compact
"""

from typing import Any

from simulator.answer.render import Answer
from simulator.apis.responses.render import usage_of


def compaction_object(answer: Answer) -> dict[str, Any]:
    """What the model wrote is sealed; the user's messages stay as they are."""
    given = answer.request.sent.get("input")
    items = given if isinstance(given, list) else [{"role": "user", "content": given or ""}]
    marks = answer.id.removeprefix("resp_")
    sealed = "gAAAA" + "x" * sum(len(choice.text()) for choice in answer.choices)
    body = {
        "id": answer.id,
        "object": "response.compaction",
        "created_at": answer.created_s,
        "output": [
            *(_message(item, f"msg_{marks}{place}") for place, item in enumerate(items)),
            {"id": f"cmp_{marks}", "type": "compaction", "encrypted_content": sealed},
        ],
    }
    if answer.report.place != "nowhere":
        body["usage"] = usage_of(answer, answer.output())
    return body


def _message(item: dict[str, Any], item_id: str) -> dict[str, Any]:
    fixed = {"id": item_id, "type": "message", "status": "completed"}
    content = item.get("content")
    parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
    return fixed | {"role": item.get("role", "user"), "content": parts or []}
