"""Chat completions. Source: https://developers.openai.com/api/reference/resources/chat"""

from typing import Final

from simulator.answer.generate import generate
from simulator.answer.render import json_answer
from simulator.answer.stream import stream_events
from simulator.apis.api import Api, check_window
from simulator.prompt.count import PromptCount, count_prompt
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest, read_request


def _count(request: ChatRequest, vocabulary: Vocabulary) -> PromptCount:
    prompt = count_prompt(request, vocabulary)
    check_window(request, prompt.total, "messages")
    return prompt


CHAT: Final = Api(
    path="/v1/chat/completions",
    serves="chat",
    id_prefix="chatcmpl-",
    read=read_request,
    count=_count,
    generate=generate,
    json=json_answer,
    events=stream_events,
    says_done=True,
)
