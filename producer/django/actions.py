"""Admin actions on any model with tags of django-taggit: take tags off, or put them on, as a job.

The action asks for names, shows what would change, and records the job once that is confirmed. If
more has to change by then than was shown, the job is rejected.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin import helpers
from django.contrib.admin.options import IS_POPUP_VAR
from django.core import checks
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from tagsweep.producer.django import configuration, jobs, tagged
from tagsweep.producer.django.forms import TagsForm
from tagsweep.worker.errors import TagsweepError

#: the actions, by the kind of job
ACTIONS = {
    "detach": ("remove_tags_in_background", "Remove tags in the background"),
    "attach": ("add_tags_in_background", "Add tags in the background"),
}
START = "tagsweep.start_job"
NOTHING = "Nothing would change, so no job was started."


class BackgroundTagsMixin:
    """Gives a ``ModelAdmin`` the actions; for who may change the model, and start jobs."""

    def get_actions(self, request: Any) -> dict[str, Any]:
        """Return the actions, with ours if the user may start jobs."""
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        may = request.user.has_perm(START) and self.has_change_permission(request)  # type: ignore[attr-defined]
        if not may or IS_POPUP_VAR in request.GET:
            return actions
        for kind, (name, title) in ACTIONS.items():
            actions[name] = (partial(_change_tags, kind), name, title)
        return actions

    def check(self, **kwargs: Any) -> list[Any]:
        """Return what is wrong: the model has to have tags, and a place in the map."""
        errors: list[Any] = super().check(**kwargs)  # type: ignore[misc]
        model = self.model  # type: ignore[attr-defined]
        if tagged.of(model) is None:
            problem = f"{model._meta.label} has no TaggableManager of django-taggit."
            hint = f"Remove BackgroundTagsMixin from {type(self).__name__}."
            errors.append(checks.Error(problem, hint=hint, obj=type(self), id="tagsweep.E007"))
        return errors


def _change_tags(kind: str, admin: Any, request: Any, objects: Any) -> Any:
    """Ask, show, or start, as far as somebody has got; None returns to the list."""
    found = tagged.of(admin.model)
    if found is None or found.resource is None:
        problem = f"The map has no resource for {admin.model._meta.label}: manage.py check says how"
        messages.error(request, f"{problem} to name it.")
        return None
    asked = "names" in request.POST
    form = TagsForm(found, request.POST if asked else None)
    would = None
    if asked and form.is_valid():
        names = form.cleaned_data["names"]
        links, size = found.count(objects, names), objects.count()
        would = links if kind == "detach" else size * len(names) - links
        if "confirm" in request.POST and request.POST.get("previewed") == request.POST["names"]:
            return _start(kind, admin, request, objects, form, most=would)
    context = {
        **admin.admin_site.each_context(request),
        "title": ACTIONS[kind][1],
        "opts": admin.model._meta,
        "form": form,
        "kind": kind,
        "action": ACTIONS[kind][0],
        "checkbox": helpers.ACTION_CHECKBOX_NAME,
        "selected": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
        "across": request.POST.get("select_across", "0"),
        "size": objects.count(),
        "would": would,
    }
    return TemplateResponse(request, "tagsweep/change_tags.html", context)


def _start(  # noqa: PLR0913  # as an action has it, and what was shown
    kind: str, admin: Any, request: Any, objects: Any, form: TagsForm, *, most: int
) -> Any:
    """Record the job, and show it; ``most``: what would change now."""
    shown = request.POST.get("would", "")
    if not most:
        messages.warning(request, NOTHING)
        return None
    keys = objects.order_by().values_list("pk", flat=True)
    body = {
        "kind": kind,
        "names": form.cleaned_data["names"],
        "resources": {tagged.of(admin.model).resource: [_id(key) for key in keys]},  # type: ignore[union-attr]
        "max_affected": int(shown) if shown.isascii() and shown.isdecimal() else most,
        "requested_by": {"name": request.user.get_username()},
    }
    if form.cleaned_data["note"]:
        body["note"] = form.cleaned_data["note"]
    try:
        job_id = jobs.record({**body, "tenant": configuration.tenant_of(request)})
    except (TagsweepError, ValueError) as error:
        messages.error(request, str(error))
        return None
    return redirect(f"{admin.admin_site.name}:tagsweep_job_change", job_id)


def _id(key: Any) -> Any:
    return key if isinstance(key, int) else str(key)
