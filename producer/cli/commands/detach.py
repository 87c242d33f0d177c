"""``tagsweep detach``: take tags off resources."""

from __future__ import annotations

from tagsweep.producer.cli.submission import links
from tagsweep.worker.models.jobs import DetachJob

HELP = """
Take tags off resources; the tags themselves stay.

All options may be repeated. Names that the tenant does not have are skipped. What is not there \
counts as absent, which is a success.

\b
Examples:
  tagsweep detach --tenant acme --name legacy --tables @ids.txt
  tagsweep detach --tenant acme --name pii --name old --sources ID,ID --volumes ID
  some-query | tagsweep detach --tenant acme --name pii --layers @- --json
"""

app = links.command(DetachJob, HELP)
