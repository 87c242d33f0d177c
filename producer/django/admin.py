"""The pages of jobs in the admin: a list, and each job with its progress."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path

from tagsweep.producer.django import configuration, jobs
from tagsweep.producer.django.actions import START
from tagsweep.producer.django.models import Job
from tagsweep.worker.errors import NoSuchJob, TagsweepError
from tagsweep.worker.models.records import ENDS

#: seconds after which the page of a job that has not ended is loaded again
REFRESH_S = 2
#: kinds of jobs that an undo can take back
UNDOABLE = ("attach", "detach", "undo")


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    """Shows the jobs of the tenant; nothing about them is edited here."""

    def has_add_permission(self, request: Any) -> bool:
        """Jobs are started by actions."""
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        """Return that jobs do not change by hand."""
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        """Return that the record of a job stays."""
        return False

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        """Return whether the user may see jobs: who may start them may see them."""
        return bool(super().has_view_permission(request, obj) or request.user.has_perm(START))

    def get_urls(self) -> list[Any]:
        """Return the pages, in place of Django's own."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.show_all), name="tagsweep_job_changelist"),
            path("<uuid:job_id>/", view(self.show), name="tagsweep_job_change"),
            path("<uuid:job_id>/cancel/", view(self.cancel), name="tagsweep_job_cancel"),
            path("<uuid:job_id>/undo/", view(self.undo), name="tagsweep_job_undo"),
        ]

    def show_all(self, request: Any) -> Any:
        """List jobs a page at a time, the newest first: ``?before=`` and ``?after=`` a job."""
        tenant, newer = self._tenant(request), "after" in request.GET
        beside = request.GET.get("after" if newer else "before")
        try:
            found = jobs.page(tenant, UUID(beside) if beside else None, newer=newer)
        except (NoSuchJob, ValueError):
            raise Http404(f"There is no job {beside}.") from None
        return self._page(request, "tagsweep/jobs.html", title="Jobs", **found._asdict())

    def show(self, request: Any, job_id: UUID) -> Any:
        """Show a job; the page is loaded again until the job has ended."""
        try:
            job = jobs.shown(job_id, self._tenant(request))
        except NoSuchJob as unknown:
            raise Http404(str(unknown)) from None
        ended, done, total = job["status"] in ENDS, job["progress"]["done"], job["counts"]["total"]
        told = {
            "percent": 100 if ended else 100 * done // max(total, 1),
            "can_cancel": not ended and request.user.has_perm(START),
            "can_undo": ended
            and job["kind"] in UNDOABLE
            and not job.get("dry_run")
            and request.user.has_perm(START),
        }
        title = f"Job {job_id}"
        page = self._page(request, "tagsweep/job.html", title=title, job=job, ended=ended, **told)
        if not ended:
            page["Refresh"] = str(REFRESH_S)
        return page

    def cancel(self, request: Any, job_id: UUID) -> Any:
        """Cancel a job."""
        user = request.user.get_username()
        return self._act(request, job_id, lambda one, tenant: jobs.cancel(one, tenant, user))

    def undo(self, request: Any, job_id: UUID) -> Any:
        """Undo a job, and show the job that does so."""
        user = request.user.get_username()
        return self._act(request, job_id, lambda one, tenant: jobs.undo(one, tenant, user))

    def _act(self, request: Any, job_id: UUID, action: Any) -> Any:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(START):
            raise PermissionDenied
        try:
            made = action(job_id, self._tenant(request))
        except NoSuchJob as unknown:
            raise Http404(str(unknown)) from None
        except TagsweepError as error:
            messages.error(request, str(error))
            made = None
        return redirect(f"{self.admin_site.name}:tagsweep_job_change", made or job_id)

    def _tenant(self, request: Any) -> str:
        """Return whose jobs the user may see; raises PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            return configuration.tenant_of(request)
        except ValueError as error:
            raise PermissionDenied(str(error)) from None

    def _page(self, request: Any, template: str, **context: Any) -> Any:
        around = {**self.admin_site.each_context(request), "opts": Job._meta}
        return TemplateResponse(request, template, {**around, **context})
