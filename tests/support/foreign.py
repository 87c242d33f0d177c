"""Another service: it has Celery and the broker's URL, and nothing of ours.

Run apart from everything (``python -I -S``); takes one JSON request on stdin, prints the answer.
"""

import importlib.util
import json
import sys

ORDER = json.load(sys.stdin)
sys.path.append(ORDER["packages"])

for name in ("tagsweep", "worker", "producer", "tests"):
    if importlib.util.find_spec(name) is not None:
        sys.exit(f"{name} can be imported here")

from celery import Celery  # noqa: E402  # found only now

app = Celery(broker=ORDER["broker"], backend=ORDER["backend"])
sent = app.send_task(ORDER["task"], [ORDER["body"]], queue="tagsweep")
print(json.dumps(sent.get(timeout=ORDER["timeout"])))  # noqa: T201  # its answer
