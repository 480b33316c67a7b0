"""The wire formats of LLM APIs: bytes in, bytes and plain values out.

No input or output, no clock: every module works on bytes that someone else moves.

dialect   what a dialect is: its requests, answers and errors
routes    which paths are metered, and in which dialect; addresses, where below which prefix
unmetered what providers bill and nobody here meters; path_pattern, how operators list the rest
chat/     OpenAI's chat completions
responses/  OpenAI's responses, and what is said of them over WebSocket
completions/  OpenAI's legacy completions
embeddings/   OpenAI's embeddings
images/       OpenAI's images: made, edited, varied
speech/       OpenAI's speech: texts read out
transcription/  OpenAI's transcriptions and translations: sound written down
messages/     Anthropic's Messages
openai/   what the dialects of OpenAI's APIs share
fields    fields that requests of several dialects share
edits     another model for a body, and the refusal of a tool
answer    what is known of an answer, and the texts it delivered
stream    an answer in pieces: relayed, and read along on any split of its bytes
closing   how a stream is ended where its budget ends
usage     what reports of usage have in common
wire/     what all of them are written in: JSON, server-sent events, compression, media
"""
