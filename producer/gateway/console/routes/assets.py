"""What pages load: served under names with a hash of the content, so that browsers keep them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import Request, Response

from tagsweep.producer.gateway.console import rendering, routing
from tagsweep.producer.gateway.errors import Refusal

STATIC = Path(__file__).parents[1] / "static"
FILES = ("console.css", "console.js", "form.js", "htmx/htmx.min.js")
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}
KEPT = "public, max-age=31536000, immutable"


def _hashed(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return f"{path.stem}.{digest}{path.suffix}"


#: the name in the URL of each file, and the file of each such name
NAMES = {Path(name).name: _hashed(STATIC / name) for name in FILES}
_PATHS = {_hashed(STATIC / name): STATIC / name for name in FILES}

router = routing.router()
rendering.PAGES.globals["asset"] = NAMES.__getitem__


@router.get("/console/static/{name}")
async def asset(request: Request) -> Response:
    """Return a script or a style sheet."""
    path = _PATHS.get(request.path_params["name"])
    if path is None:
        raise Refusal(404, "There is nothing at this path.")
    headers = {"Cache-Control": KEPT}
    return Response(path.read_bytes(), headers=headers, media_type=MEDIA_TYPES[path.suffix])
