"""What is asked before something is done to a job: the consequence, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tagsweep.producer.gateway.console.presentation.wording import changed as changed_items
from tagsweep.producer.gateway.console.presentation.wording import counted, number

#: the scopes of which each action takes one
SCOPES = {
    "cancel": ("write",),
    "pause": ("write",),
    "resume": ("write",),
    "retry": ("write",),
    "undo": ("undo",),
    "run": ("write", "approve"),
}
#: items from which on their number is typed before they are changed
LARGE = 10_000

NOT_TYPED = "Type the number {typed} to confirm. Nothing was done."


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before an action."""

    title: str
    consequence: str
    button: str
    dangerous: bool = False
    typed: str | None = None  #: what is to be typed first


def about(action: str, job: dict[str, Any]) -> Question:
    """Return what is asked before ``action`` is done to a job."""
    done, total = job["progress"]["done"], job["progress"]["total"]
    left, failed = total - done, job["counts"]["failed"]
    changed = changed_items(job["counts"])
    stays = f"{number(done)} of {counted(total, 'item')} are done and stay done"
    if action == "cancel":
        text = f"{stays}; {number(left)} will be left alone. Retry does the rest later."
        return Question("Cancel this job?", text, "Cancel the job", dangerous=True)
    if action == "pause":
        text = f"{stays}; {number(left)} wait until somebody resumes the job."
        return Question("Pause this job?", text, "Pause")
    if action == "resume":
        return Question("Resume this job?", f"{counted(left, 'item')} will be done now.", "Resume")
    if action == "retry":
        text = (
            f"{counted(failed + left, 'item')} will be tried again: {number(failed)} that failed "
            f"and {number(left)} that were never tried. The other {number(done - failed)} are left "
            "alone."
        )
        return Question("Retry this job?", text, "Retry")
    typed = str(changed) if changed >= LARGE else None
    if action == "run":
        text = (
            f"Exactly what the preview has shown is done: {counted(changed, 'change')}. Nothing "
            "that came since is touched. A preview has one run."
        )
        return Question("Run this preview?", text, "Run", dangerous=True, typed=typed)
    text = f"A new job reverts the {counted(changed, 'change')} that this one has made."
    return Question("Undo this job?", text, "Undo", dangerous=True, typed=typed)


def is_confirmed(question: Question, given: str) -> bool:
    """Return whether the number was typed that the question asks for, with or without commas."""
    return question.typed is None or given.replace(",", "").replace(" ", "") == question.typed
