"""How far the write-ahead log has got: what of its format we read ourselves.

Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
"""

from pathlib import Path
from typing import Final

_HEADER_BYTES: Final = 32
_PAGE_BYTES_AT: Final = slice(8, 12)
_SALTS_AT: Final = slice(16, 24)
_FRAME_HEADER_BYTES: Final = 24
_FRAME_SALTS_AT: Final = slice(8, 16)


def log_path(path: Path) -> Path:
    """The log of the ledger at `path`."""
    return path.with_name(f"{path.name}-wal")


def is_longer(log: Path, size_bytes: int) -> bool:
    """Whether the log has got beyond this size.

    Its file says nothing about that: a log that has started over writes over the old one.
    A page belongs to it when it carries the salts of the header.
    """
    try:
        with log.open("rb", buffering=0) as file:
            header = file.read(_HEADER_BYTES)
            page_bytes = int.from_bytes(header[_PAGE_BYTES_AT])
            frame_bytes = _FRAME_HEADER_BYTES + page_bytes
            file.seek(_HEADER_BYTES + size_bytes // frame_bytes * frame_bytes)
            frame = file.read(_FRAME_HEADER_BYTES)
    except OSError:
        return False
    return len(frame) == _FRAME_HEADER_BYTES and frame[_FRAME_SALTS_AT] == header[_SALTS_AT]
