"""Enqueue jobs from any Python program: only the broker is needed, no database driver.

from producer import TagSweep

job = TagSweep().detach(tenant="acme", names=["legacy"], tables=ids)
print(job.result(timeout=600)["counts"])
"""

from producer.client import JobHandle, TagSweep

__all__ = ["JobHandle", "TagSweep"]
