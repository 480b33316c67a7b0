"""The wire formats of LLM APIs: bytes in, bytes and plain values out.

No input or output, no clock: every module works on bytes that someone else moves.

chat_request   what a chat completion call asks for, and every way it can be malformed
chat_tools     the names by which caps know its tools
chat_prompt    all of it that is billed as input, as parts that can be counted
chat_changes   another body for the same call: model, limit, tools, usage
chat_answer    what a whole answer says and delivered
chat_stream    the same from a stream, on any split of its bytes
chat_usage     the billed quantities, out of the shapes that upstreams give them
chat_error     a refusal in the shape of this API
json_text      JSON read strictly or leniently, and edited without touching the rest
inline_media   sizes and lengths of images and audio, from the first bytes of their base64
sse            server-sent events, split as they arrive
decoding       compressed answers, decompressed as they arrive
"""
