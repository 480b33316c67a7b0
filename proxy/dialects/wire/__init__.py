"""What dialects are written in.

json_text      JSON read strictly or leniently, and edited without touching the rest
inline_media   sizes and lengths of images and audio, from the first bytes of their base64
form           a form with files, as far as it was read before its call leaves
multipart      such a form, split into its parts as it arrives
part_header    what stands above each part
sse            server-sent events, split as they arrive
decoding       compressed answers, decompressed as they arrive
"""
