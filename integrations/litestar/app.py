"""Notes behind the guard. Litestar answers exceptions itself, so it is told how to answer a denial."""

from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import NotFoundException

from iam_guard import AccessDeniedError
from iam_guard.config import load_settings

HERE = Path(__file__).parent
NOTES = {"1": {"id": "1", "owner": "ann"}, "2": {"id": "2", "owner": "bob"}}

wiring = load_settings(HERE / "iam-guard.yaml").build()
guard = wiring.guard


@get("/health")
async def health() -> dict[str, str]:
    return {"status": "fine"}


@get("/notes/{note_id:str}")
async def read_note(request: Request[Any, Any, Any]) -> dict[str, str]:
    note = NOTES.get(request.path_params["note_id"])
    if note is None:
        raise NotFoundException("no such note")
    return note


@post("/archive", status_code=200)
async def archive_notes(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
    """The body names the notes, so each is checked here, before any is changed."""
    wanted = [NOTES[one] for one in await request.json() if one in NOTES]
    for note in wanted:
        guard.require("notes:ArchiveNote", f"note/{note['id']}", context={"notes:Owner": note["owner"]})
    return {"archived": [note["id"] for note in wanted]}


def answer_denial(request: Request[Any, Any, Any], error: AccessDeniedError) -> Response[bytes]:
    """Say what the guard says at its door; without this, Litestar would answer 500."""
    denial = app.denial_for(error)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in denial.headers}
    return Response(denial.body, status_code=denial.status, media_type=headers.pop("content-type"), headers=headers)


service = Litestar([health, read_note, archive_notes], exception_handlers={AccessDeniedError: answer_denial},
                   openapi_config=None)
app = wiring.middleware(service)
