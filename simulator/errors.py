"""What goes wrong, in the shape of the real API.

Source: https://developers.openai.com/api/docs/guides/error-codes
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


@dataclass(eq=False)
class ApiError(Exception):
    """An answer with an error status. `message` never repeats what the caller sent."""

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    type: str = "invalid_request_error"

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


def invalid(param: str, message: str, code: str | None = None) -> ApiError:
    """A request whose `param` cannot be accepted."""
    return ApiError(HTTPStatus.BAD_REQUEST, message, code=code, param=param)
