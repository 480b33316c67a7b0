"""The APIs that the upstream speaks, one a module or a package.

api          what an API is: how it is read, counted, answered and refused
chat         POST /v1/chat/completions; its parts are in `request`, `prompt`, `answer`
responses/   POST /v1/responses, and what was stored of it
messages/    POST /v1/messages, and its count_tokens
audio/       POST /v1/audio/speech, /v1/audio/transcriptions and /v1/audio/translations
completions  POST /v1/completions
embeddings   POST /v1/embeddings
shelf        /v1/files, /v1/uploads and /v1/moderations, which cost nothing
images/      POST /v1/images/generations, /v1/images/edits and /v1/images/variations
"""
