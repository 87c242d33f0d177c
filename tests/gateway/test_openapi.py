"""schemathesis over the whole schema: every answer is one that the schema documents."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway import serving
from tests.support.stack import ServerStack

#: what a schema cannot say: that an Idempotency-Key was used before (422), that a name is taken, or
#: a key is given twice (400)
CONFIGURATION = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429"]

[[operations]]
include-name = "POST /api/v1/tags/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "429"]

[[operations]]
include-name = "PATCH /api/v1/tags/{tag_id}/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "429"]

[[operations]]
include-name = "POST /api/v1/jobs/"
checks.positive_data_acceptance.expected-statuses = [
    "2xx", "400", "401", "403", "404", "409", "422", "429",
]

[[operations]]
include-path = "/v1/{project_id}/fabric-workspace/{workspace_id}/tags/delete"
parameters = { "path.project_id" = "TENANT", "path.workspace_id" = "w-1" }

[[operations]]
include-path = "/v1/{project_id}/fabric-workspace/{workspace_id}/tags/create"
parameters = { "path.project_id" = "TENANT", "path.workspace_id" = "w-1" }
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "409", "429"]

[[operations]]
include-path = "/v1/{project_id}/fabric-workspace/{workspace_id}/tags"
parameters = { "path.project_id" = "TENANT", "path.workspace_id" = "w-1" }

[[operations]]
include-path = "/v1/{project_id}/fabric-workspace/tags"
parameters = { "path.project_id" = "TENANT" }

[[operations]]
include-path = "/v1/{project_id}/fabric-workspace/resource-instances/filter"
parameters = { "path.project_id" = "TENANT" }
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "429"]

[[operations]]
include-path = "/v1/{project_id}/fabric-workspace/resource-instances/count"
parameters = { "path.project_id" = "TENANT" }
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "429"]
"""
#: the one answer that never ends: tests/gateway/test_events.py reads it
FEED = "/api/v1/events"
LEAST_CASES = 2_000
SEED = os.environ.get("TAGSWEEP_TEST_SCHEMA_SEED", "20261121")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_generated_request_gets_an_answer_that_is_not_documented(
    redis_stack: ServerStack, tenant: str, tmp_path: Path
) -> None:
    program = str(Path(sys.executable).parent / "schemathesis")
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION.replace("TENANT", tenant))
    with serving(redis_stack, requests_per_s=100_000) as gateway:
        key = gateway.credential(tenant, operator=True).key
        gateway.store.workspace(tenant, "w-1", {"env": "dev"}, {"sys": "1"})
        command = [program, "--config-file", str(tmp_path / "schemathesis.toml"), "run"]
        command += [f"{gateway.url}/openapi.json", "-H", f"x-api-key: {key}"]
        command += ["-H", f"X-Auth-Token: {key}", "--exclude-path", FEED, "--no-color"]
        command += ["--phases", "coverage,fuzzing,stateful", "--checks", "all"]
        # the same cases in each run: what another seed finds is for whoever looks for it
        command += ["--max-examples", "60", "--workers", "1", "--seed", SEED]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "Traceback" not in gateway.log
    assert done.returncode == 0, done.stdout[-6000:]
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated
    assert int(generated[1]) >= LEAST_CASES
