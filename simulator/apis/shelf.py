"""Files, uploads in parts, and moderations: nothing of it is billed.

Source: https://developers.openai.com/api/reference/resources/files, .../uploads and
.../moderations; https://platform.claude.com/docs/en/build-with-claude/files
"""

from typing import Any, Final

from simulator.errors import ApiError, invalid
from simulator.fields import read_object
from simulator.wire.form import File, read_form

FILES: Final = "/v1/files"
UPLOADS: Final = "/v1/uploads"
MODERATIONS: Final = "/v1/moderations"

CREATED_S: Final = 1_700_000_000


class Shelf:
    """What was uploaded, by its id."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self._uploads: dict[str, tuple[dict[str, Any], dict[str, bytes]]] = {}

    def reset(self) -> None:
        """Forget all of it."""
        self._files.clear()
        self._uploads.clear()

    def serves(self, path: str) -> bool:
        """Whether something is here at this path."""
        return path == MODERATIONS or path.startswith((FILES, UPLOADS))

    def serve(self, method: str, path: str, body: bytes) -> dict[str, Any] | bytes:
        """The JSON of an answer, or a file. Raises ApiError."""
        match method, *path.removeprefix("/v1/").split("/"):
            case "POST", "moderations":
                return _moderation(read_object(body))
            case "POST", "files":
                file, fields = _form(body)
                return self._keep(file.filename, file.content, fields.get("purpose"))
            case "GET", "files":
                return {"object": "list", "data": [each for each, _ in self._files.values()]}
            case "GET", "files", file_id:
                return self._file(file_id)[0]
            case "GET", "files", file_id, "content":
                return self._file(file_id)[1]
            case "DELETE", "files", file_id:
                self._file(file_id)
                del self._files[file_id]
                return {"id": file_id, "object": "file", "deleted": True}
            case "POST", "uploads":
                return self._begin(read_object(body))
            case "POST", "uploads", upload_id, step:
                return self._go_on(upload_id, step, body)
        raise ApiError(404, "There is nothing at this address.", "unknown_url")

    def _keep(self, name: str, content: bytes, purpose: str | None) -> dict[str, Any]:
        file_id = f"file-{len(self._files) + 1:024d}"
        kept: dict[str, Any] = {
            "id": file_id,
            "object": "file",
            "bytes": len(content),
            "created_at": CREATED_S,
            "filename": name,
            "purpose": purpose or "user_data",
            "status": "processed",
        }
        self._files[file_id] = kept, content
        return kept

    def _file(self, file_id: str) -> tuple[dict[str, Any], bytes]:
        if file_id not in self._files:
            raise ApiError(404, "There is no file of that id here.")
        return self._files[file_id]

    def _begin(self, fields: dict[str, Any]) -> dict[str, Any]:
        upload_id = f"upload_{len(self._uploads) + 1:024d}"
        upload: dict[str, Any] = {
            "id": upload_id,
            "object": "upload",
            "bytes": fields.get("bytes"),
            "created_at": CREATED_S,
            "expires_at": CREATED_S + 3_600,
            "filename": fields.get("filename"),
            "purpose": fields.get("purpose"),
            "status": "pending",
        }
        self._uploads[upload_id] = upload, {}
        return upload

    def _go_on(self, upload_id: str, step: str, body: bytes) -> dict[str, Any]:
        if upload_id not in self._uploads:
            raise ApiError(404, "There is no upload of that id here.")
        upload, parts = self._uploads[upload_id]
        match step:
            case "parts":
                file, _ = _form(body)
                part_id = f"part_{len(parts) + 1:024d}"
                parts[part_id] = file.content
                about = {"id": part_id, "object": "upload.part", "created_at": CREATED_S}
                return about | {"upload_id": upload_id}
            case "cancel":
                upload["status"] = "cancelled"
            case "complete":
                content = b"".join(parts[each] for each in read_object(body).get("part_ids", []))
                upload["status"] = "completed"
                upload["file"] = self._keep(upload["filename"], content, upload["purpose"])
            case _:
                raise ApiError(404, "There is nothing at this address.", "unknown_url")
        return upload


def _form(body: bytes) -> tuple[File, dict[str, str]]:
    """The one file of a form, and its fields. Raises ApiError: there is none."""
    form = read_form(body)
    if not form.files:
        raise invalid("file", "There has to be a file.", "missing_required_parameter")
    return form.files[-1], form.fields


def _moderation(fields: dict[str, Any]) -> dict[str, Any]:
    given = fields.get("input")
    inputs = given if isinstance(given, list) else [given]
    result = {
        "flagged": False,
        "categories": {"harassment": False},
        "category_scores": {"harassment": 0.0},
        "category_applied_input_types": {"harassment": ["text"]},
    }
    return {
        "id": "modr-simulated",
        "model": fields.get("model") or "omni-moderation-latest",
        "results": [result for _ in inputs],
    }
