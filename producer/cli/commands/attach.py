"""``tagsweep attach``: put tags on resources."""

from __future__ import annotations

from tagsweep.producer.cli.submission import links
from tagsweep.worker.models.jobs import AttachJob

HELP = """
Put tags on resources: each of the tags on each of the resources.

All options may be repeated. Tags that the tenant does not have are created. What already has \
the tag counts as present, which is a success.

\b
Examples:
  tagsweep attach --tenant acme --name pii --tables @ids.txt
  tagsweep attach --tenant acme --name pii --name reviewed --sources ID,ID --volumes ID
"""

app = links.command(AttachJob, HELP)
