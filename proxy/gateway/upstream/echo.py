"""What an upstream repeats of our credential reaches no caller.

Pages that show a request for debugging do so, and errors that quote the key they refuse.
"""

from collections.abc import Mapping
from typing import Final

from multidict import CIMultiDict

from proxy.dialects.wire.decoding import Undecodable, decoder_for

MASK: Final = b"[the proxy's credential]"

SECRET_CHARS_MIN: Final = 12
"""What is shorter is a word that a keyless server was given, and may stand anywhere."""


def headers_without(secret: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of an answer that do not have it."""
    if len(secret) < SECRET_CHARS_MIN or not any(secret in value for value in headers.values()):
        return headers
    return CIMultiDict([(name, value) for name, value in headers.items() if secret not in value])


def error_without(secret: str, headers: CIMultiDict[str], body: bytes) -> bytes:
    """The whole body of an error with a mask in its place.

    A compressed body that has it is given plain, and `headers` then name no coding.
    """
    if len(secret) < SECRET_CHARS_MIN:
        return body
    plain, quoted = _plain(headers.get("Content-Encoding", ""), body), secret.encode()
    if quoted not in plain:
        return body
    headers.popall("Content-Encoding", None)
    return plain.replace(quoted, MASK)


def _plain(content_encoding: str, body: bytes) -> bytes:
    decoder = decoder_for(content_encoding)
    if decoder is None:
        return body
    try:
        return decoder.feed(body) + decoder.finish()
    except Undecodable:
        return body
