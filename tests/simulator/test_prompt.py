"""The provider's count of a prompt, as literals."""

import base64
import io
import json
import struct
from typing import Any

import pytest
from PIL import Image

from simulator.errors import ApiError
from simulator.models import MODELS
from simulator.prompt.count import PromptCount, count_prompt
from simulator.prompt.media import PATCHES, TILES, audio_tokens, image_size
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import read_request

VOCABULARY = Vocabulary()
USER = {"role": "user", "content": "hello there"}


def count(model: str = "gpt-4o", **fields: Any) -> PromptCount:
    body = {"model": model, "messages": [USER]} | fields
    return count_prompt(read_request(json.dumps(body).encode(), MODELS), VOCABULARY)


def part(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [fields]}]


def tool(**function: Any) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": "roll"} | function}]


def picture(width: int, height: int, kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height)).save(data, kind)
    return data.getvalue()


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4"])
def test_a_message_is_framed_by_three_tokens_and_the_reply_by_three(model: str) -> None:
    # 3 + "user" 1 + "hello there" 2, and 3 for the reply.
    assert count(model).total == 9
    assert count(model, messages=[USER, USER]).total == 15


def test_a_name_costs_itself_and_one_token() -> None:
    assert count(messages=[USER | {"name": "bob"}]).total == 11


def test_parts_count_as_their_text() -> None:
    assert count(messages=part(type="text", text="hello there")).total == 9


def test_an_empty_content_counts_as_nothing() -> None:
    assert count(messages=[{"role": "assistant", "content": None}]).total == 7


def test_a_call_in_the_history_counts_its_name_and_its_arguments() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "roll", "arguments": "{}"}}
    messages = [{"role": "assistant", "tool_calls": [call]}]

    assert count(messages=messages).total == 9


def test_an_old_style_call_in_the_history_counts_the_same() -> None:
    messages = [{"role": "assistant", "function_call": {"name": "roll", "arguments": "{}"}}]

    assert count(messages=messages).total == 9


@pytest.mark.parametrize(
    ("model", "tokens"),
    # "roll:" is two tokens, the function 7 or 10 and 12 at the end of all.
    [("gpt-4o", 9 + 7 + 2 + 12), ("gpt-4", 9 + 10 + 2 + 12)],
)
def test_a_function_is_framed_as_published(model: str, tokens: int) -> None:
    assert count(model, tools=tool()).total == tokens


def test_old_style_functions_count_as_tools_do() -> None:
    assert count(functions=[{"name": "roll"}]).total == 30


def test_every_property_and_every_enum_item_is_framed() -> None:
    side = {"type": "string", "enum": ["a", "b"], "description": "which."}
    parameters = {"type": "object", "properties": {"side": side}}

    # 3 for properties, 3 for one, "side:string:which" 4, enum -3, two items of 3 + 1.
    assert count(tools=tool(parameters=parameters)).total == 30 + 3 + 3 + 4 - 3 + 8


def test_properties_inside_properties_and_lists_count_too() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "string"}}}
    nested = {"type": "object", "properties": {"o": inner}}
    listed = {"type": "object", "properties": {"o": {"type": "array", "items": inner}}}

    # 3 + 3 + "x:string:" 3; around it 3 + 3 + "o:object:" or "o:array:" 4.
    assert count(tools=tool(parameters=inner)).total == 30 + 9
    assert count(tools=tool(parameters=nested)).total == 30 + 9 + 10
    assert count(tools=tool(parameters=listed)).total == 30 + 9 + 10


def test_a_custom_tool_and_a_schema_count_as_their_json() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}

    # {"name":"s","schema":{}} is 9 tokens, {"name":"shell"} 5.
    assert count(response_format=schema).total == 9 + 9
    assert count(tools=[{"type": "custom", "custom": {"name": "shell"}}]).total == 9 + 5


def test_what_looks_like_a_special_token_is_text() -> None:
    assert count(messages=[USER | {"content": "<|endoftext|>"}]).total == 7 + 7


@pytest.mark.parametrize("text", [" " * 1_000_000, "a" * 1_000_000, "\n" * 1_000_000])
def test_a_text_that_breaks_tokenizers_is_counted(text: str) -> None:
    assert 7_000 < VOCABULARY.count("o200k_base", text) < 130_000


def test_a_long_text_counts_the_same_in_slices() -> None:
    sentence = "The quick brown fox jumps over the lazy dog. "

    # Ten tokens, and one more for the space at the very end.
    assert VOCABULARY.count("o200k_base", sentence * 20_000) == 200_001


def test_splitting_keeps_the_text_and_the_count() -> None:
    text = 'naïve 😀 "quoted" 漢字 \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}'

    pieces = VOCABULARY.split("o200k_base", text)

    assert "".join(pieces) == text
    assert len(pieces) == VOCABULARY.count("o200k_base", text)


@pytest.mark.parametrize(
    ("family", "width", "height", "detail", "tokens"),
    [
        # The worked examples of the images guide.
        ("gpt-4o", 1024, 1024, "high", 765),
        ("gpt-4o", 2048, 4096, "high", 1105),
        ("gpt-4o", 4096, 8192, "low", 85),
        ("gpt-4o", 512, 512, "auto", 255),
        ("gpt-4o", 513, 512, "auto", 425),
        ("gpt-4o-mini", 1024, 1024, "high", 25_501),
        ("gpt-5", 1024, 1024, "high", 630),
        ("o3", 1024, 1024, "high", 675),
    ],
)
def test_a_tiled_image_costs_what_the_guide_says(
    family: str, width: int, height: int, detail: str, tokens: int
) -> None:
    assert TILES[family].tokens(width, height, detail) == tokens


@pytest.mark.parametrize(
    ("family", "width", "height", "detail", "tokens"),
    [
        # 32 x 32 patches; and 1800 x 2400 is shrunk to 33 x 44 = 1452, times the factor.
        ("gpt-4.1-mini", 1024, 1024, "high", 1659),
        ("gpt-4.1-mini", 1800, 2400, "high", 2353),
        ("gpt-4.1-nano", 1800, 2400, "low", 3572),
        ("o4-mini", 1, 1, "auto", 2),
        # A long strip is first shrunk to 2048 px, 64 patches; a big square to 39 x 39;
        # 9000 x 3000 to 6000 x 2000 and then to 171 x 57.
        ("gpt-4.1-mini", 100_000, 10, "high", 104),
        ("gpt-4.1-mini", 10, 100_000, "high", 104),
        ("gpt-4.1-mini", 3000, 3000, "high", 2465),
        ("gpt-5.4", 1600, 1600, "high", 3000),
        ("gpt-5.4", 2400, 2400, "high", 3000),
        ("gpt-5.4", 2400, 2400, "original", 6750),
        ("gpt-5.4", 9000, 3000, "original", 11_697),
        ("gpt-5.4", 512, 512, "low", 308),
        ("gpt-5.4", 4000, 4000, "low", 308),
    ],
)
def test_a_patched_image_costs_what_the_guide_says(
    family: str, width: int, height: int, detail: str, tokens: int
) -> None:
    assert PATCHES[family].tokens(width, height, detail) == tokens


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG", "WEBP"])
def test_the_size_of_an_image_is_read_from_its_first_bytes(kind: str) -> None:
    assert image_size(picture(321, 123, kind)) == (321, 123)


def test_a_lossless_and_an_extended_webp_say_their_size_too() -> None:
    lossless, extended = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (321, 123)).save(lossless, "WEBP", lossless=True)
    Image.new("RGBA", (321, 123)).save(extended, "WEBP", exif=b"Exif\0\0")

    assert image_size(lossless.getvalue()) == (321, 123)
    assert image_size(extended.getvalue()) == (321, 123)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + bytes(16),
        b"\xff\xd8\xff",
        b"RIFF----WEBPVP9 ----",
    ],
)
def test_what_is_no_image_has_no_size(data: bytes) -> None:
    assert image_size(data) is None


def test_an_image_in_a_message_is_counted_beside_its_text() -> None:
    image = {"url": data_url(picture(1024, 1024, "PNG"))}

    assert count(messages=part(type="image_url", image_url=image)) == PromptCount(
        total=7 + 765, images=765
    )


def test_an_image_behind_an_address_has_the_size_of_what_is_fetched() -> None:
    image = {"url": "https://example.com/cat.png", "detail": "low"}

    assert count(messages=part(type="image_url", image_url=image)).images == 85


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("gpt-4o", "data:image/png;base64,!!!"),
        ("gpt-4o", "data:image/png;base64,AAAA"),
        ("gpt-4", "https://example.com/cat.png"),
    ],
)
def test_an_image_that_cannot_be_read_is_refused(model: str, url: str) -> None:
    with pytest.raises(ApiError) as refusal:
        count(model, messages=part(type="image_url", image_url={"url": url}))

    assert refusal.value.status == 400


def test_a_second_of_wav_is_ten_tokens() -> None:
    header = b"RIFF" + bytes(24) + struct.pack("<I", 48_000) + bytes(12)

    assert audio_tokens("wav", header + bytes(48_000)) == 10
    assert audio_tokens("wav", header + bytes(48_001)) == 11
    assert audio_tokens("mp3", bytes(16_000)) == 10


def test_audio_in_a_message_is_counted_apart() -> None:
    sound = {"data": base64.b64encode(bytes(16_000)).decode(), "format": "mp3"}
    counted = count("gpt-4o-audio-preview", messages=part(type="input_audio", input_audio=sound))

    assert counted == PromptCount(total=17, audio=10)


def test_a_document_counts_by_its_size_or_as_stored() -> None:
    inline = {"file_data": "data:application/pdf;base64," + base64.b64encode(bytes(90)).decode()}

    assert count(messages=part(type="file", file=inline)).total == 7 + 23
    assert count(messages=part(type="file", file={"file_id": "file-1"})).total == 7 + 500


@pytest.mark.parametrize(
    "content",
    [["text"], [{"type": "video"}], [{"type": "text"}], [{"type": "input_audio"}], [None]],
)
def test_a_part_of_no_known_kind_is_refused(content: list[Any]) -> None:
    with pytest.raises(ApiError) as refusal:
        count(messages=[{"role": "user", "content": content}])

    assert refusal.value.param == "messages.content"
