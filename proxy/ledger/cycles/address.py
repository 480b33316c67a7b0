"""Where an authority is, as people write it: `cycles+https://host:port/base`."""

from typing import Final
from urllib.parse import urlsplit

SCHEMES: Final = ("cycles+http", "cycles+https")


class AddressError(ValueError):
    """This is not the address of an authority. The text says what is accepted."""


def base_url(address: str) -> str:
    """The URL below which the authority serves `/v1/…`, without a slash at its end.

    Raises:
        AddressError. It quotes nothing of the address, which may hold a secret.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise AddressError("the port or the host is none") from None
    if parts.scheme not in SCHEMES or not parts.hostname or port == 0:
        raise AddressError("write cycles+https://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise AddressError("a key does not belong into the address: set ledger.api_key")
    if parts.query or parts.fragment:
        raise AddressError("options in the address are not accepted")
    return f"{parts.scheme.removeprefix('cycles+')}://{parts.netloc}{parts.path}".rstrip("/")
