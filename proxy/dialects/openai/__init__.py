"""What the dialects of OpenAI's APIs share.

error     a refusal in the shape of these APIs
framing   the tokens that they add around the parts of a prompt
parts     images, audio and files in a prompt, and the enums of a schema
edits     another limit, fewer tools to choose from
stream_options  whether a stream reports usage
texts     plain texts, written out or as tokens
media_events  what the streams of sound, images and transcriptions have in common
token_usage  what reports of usage say alike: all that went in, all that came out
"""
