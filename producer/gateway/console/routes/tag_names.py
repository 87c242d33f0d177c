"""A tag is created, or gets another name."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway.console import previewing, rendering, routing
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.routes import tag_requests
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.store.tags import naming

NO_TAG = "There is no such tag."
NEW, RENAME = "/console/tags/new", "/console/tags/{tag_id}/rename"

router = routing.router()


@router.get(NEW)
async def ask_new(request: Request) -> Response:
    """Ask for the name of a new tag."""
    previewing.check_tenant((await access.visitor(request, "write")).caller)
    values = {"tag": None, "title": "New tag", "target": "/tags/new"}
    return rendering.page(request, "tag_name", values)


@router.post(NEW)
async def create(request: Request) -> Response:
    """Create a tag, and lead to it in the list."""
    tenant, name, by = await _sent(request)
    await tag_requests.done(request, naming.create, tenant, name, by)
    return _to_list(request, name)


@router.get(RENAME)
async def ask_rename(request: Request) -> Response:
    """Ask for another name of a tag."""
    who = await access.visitor(request, "write")
    previewing.check_tenant(who.caller)
    tag = await tag_requests.done(request, naming.find, who.caller.tenant, _tag_id(request))
    target = f"/tags/{tag['id']}/rename"
    values = {"tag": tag, "title": "Rename this tag?", "target": target}
    return rendering.page(request, "tag_name", values)


@router.post(RENAME)
async def rename(request: Request) -> Response:
    """Give a tag another name, and lead to it in the list."""
    tenant, name, by = await _sent(request)
    await tag_requests.done(request, naming.rename, tenant, _tag_id(request), name, by)
    return _to_list(request, name)


async def _sent(request: Request) -> tuple[str, str, Requester]:
    """Return the visitor's tenant, the name in the form, and who has sent it."""
    who, form = await access.form(request, "write")
    previewing.check_tenant(who.caller)
    name = tag_requests.name({"name": form.one("name")})
    return who.caller.tenant, name, who.caller.through("console")


def _to_list(request: Request, name: str) -> Response:
    return rendering.redirect(request, f"/tags?{urlencode({'name': name})}")


def _tag_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["tag_id"])
    except ValueError:
        raise Refusal(404, NO_TAG) from None
