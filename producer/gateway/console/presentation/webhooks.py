"""Webhooks in words: how they are, what a form asks for, what is asked before something is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tagsweep.producer.gateway.console.presentation.questions import Question
from tagsweep.producer.gateway.console.presentation.wording import counted, exact
from tagsweep.producer.gateway.console.visitors.forms import Form
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.records import ENDS

#: what a webhook can be for
CHOICES = {"kinds": tuple(KINDS), "statuses": tuple(sorted(ENDS))}

Shown = dict[str, Any]

#: what a form for a new one shows
NOTHING: Shown = {"url": "", "kinds": None, "statuses": None}


@dataclass(frozen=True, slots=True)
class State:
    """How a webhook is."""

    word: str
    pill: str  #: as what the word is shown
    why: str | None = None


def state(hook: Shown) -> State:
    """Return how a webhook is, and why it is not well."""
    if not hook["enabled"]:
        return State("off", "failed", hook["off_reason"])
    if hook["closed"]:
        return State("not sent", "failed", hook["closed"])
    if hook["failing_since"]:
        return State("failing", "waiting", f"since {exact(hook['failing_since'])}")
    return State("on", "succeeded")


def outcome(attempt: Shown) -> str:
    """Return in words what became of an attempt of a delivery."""
    said = attempt["reason"] or f"It answered {attempt['status']}."
    return f"{said.removesuffix('.')} ({attempt['seconds']:g} s)"


def wanted(sent: Form) -> Shown:
    """Return what a form asks for, as a body over HTTP would; nothing chosen is all."""
    chosen = {name: sent.all(name) or None for name in CHOICES}
    return {"url": sent.one("url"), **chosen}


def question(action: str, hook: Shown) -> Question:
    """Return what is asked before ``action`` is done to a webhook."""
    waiting = counted(hook["waiting"], "delivery", "deliveries") if hook["waiting"] else ""
    if action == "enable":
        text = f"It gets what waits for it ({waiting}), and " if waiting else "It gets "
        text += (
            "what ends from now on. What ended while it was off it does not get: send that again "
            "since a time."
        )
        return Question("Switch this webhook on?", text, "Switch on")
    if action == "disable":
        text = "Nothing is sent any more. "
        text += f"What waits ({waiting}) stays. " if waiting else ""
        text += "Events of jobs that end while it is off it gets only if you send them again."
        return Question("Switch this webhook off?", text, "Switch off", dangerous=True)
    if action == "test":
        text = (
            "It gets an event of the type tagsweep.webhook.test, which tells of no job. The log "
            "shows what it answers."
        )
        return Question("Send a test event?", text, "Send it")
    text = "Its secret and the log of its deliveries go with it"
    text += f"; what waits ({waiting}) is never sent. " if waiting else ". "
    text += "This cannot be taken back."
    return Question("Delete this webhook?", text, "Delete the webhook", dangerous=True)


def asked(hook: Shown, question: Question, path: str) -> Shown:
    """Return what the page of a question about a webhook shows; ``path``: where the answer goes."""
    own = f"/webhooks/{hook['id']}"
    return {"question": question, "about": hook["url"], "back": own, "target": f"{own}/{path}"}


def new_secret(old_until: datetime | None, what: str = "what is sent") -> Question:
    """Return what is asked before a secret is replaced; ``old_until``: of the one before it."""
    text = (
        f"It is shown once. For a day, {what} is signed with the present one too: receivers that "
        "know either of them verify it."
    )
    if old_until:
        text += f" The one before that, which was to sign until {exact(old_until)}, ends now."
    return Question("Make a new secret?", text, "Make it", dangerous=old_until is not None)


def callback_secret(version: str, old_until: datetime | None) -> Question:
    """Return what is asked before the secret of callbacks is made, or replaced."""
    if version:
        return new_secret(old_until, "what is sent to callbacks")
    text = "It is shown once. From then on, jobs of this tenant may have a callback_url."
    return Question("Make a callback secret?", text, "Make it")


def again(event_id: str) -> Question:
    """Return what is asked before an event is sent again."""
    text = f"{event_id} is sent once more, under the same id, however its delivery ended."
    return Question("Send this event again?", text, "Send it again")


def again_since() -> Question:
    """Return what is asked before all events since a time are sent again."""
    text = (
        "Every event since then that this webhook is for is sent once more, under its id: also "
        "what it got already, and what ended while it was off or not there yet."
    )
    return Question("Send events again?", text, "Send them again")
