"""`tagsweep detach`, `delete` and `jobs` on the embedded default."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.cli import CommandLine, eventually, ids

ACME = ("--tenant", "acme", "--name", "legacy")


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command in an empty folder, everything embedded."""
    return CommandLine(tmp_path)


def workspaces(run: CommandLine, count: int) -> None:
    tags = {"tags": [{"key": "env", "value": "dev"}], "sys_tags": [{"key": "env", "value": "x"}]}
    entries = [{"tenant": "p-1", "workspace": f"w-{at}", **tags} for at in range(count)]
    assert run("load", "-", stdin="\n".join(map(json.dumps, entries))).status == 0


@pytest.mark.slow
def test_a_detach_prints_its_completion_data_and_nothing_else(run: CommandLine) -> None:
    run.load(tables=ids(3), sources=ids(2))
    listed = run.file("ids.txt", [*ids(2), "", ids(9)[8]])
    done = run("detach", *ACME, "--tables", listed, "--sources", ",".join(ids(2)), "--json")
    assert (done.status, done.err) == (0, "")
    assert done.json["status"] == "succeeded"
    assert done.json["counts"] == {
        "total": 5, "removed": 4, "absent": 1, "failed": 0, "unprocessed": 0,
    }  # fmt: skip
    assert [tag["name"] for tag in done.json["tags"]] == ["legacy"]
    assert run.count("tag_link") == 1
    assert [event["data"] for event in run.events()] == [done.json]


@pytest.mark.slow
def test_a_person_reads_a_short_summary(run: CommandLine) -> None:
    run.load(tables=ids(3))
    done = run("detach", *ACME, "--tables", "@-", stdin="\n".join(ids(3)))
    assert done.status == 0
    assert done.out.startswith("succeeded: detach ")
    assert "3 items: 3 removed, 0 absent" in done.out
    assert "\x1b" not in done.out + done.err


@pytest.mark.slow
def test_a_delete_takes_keys_with_and_without_values(run: CommandLine) -> None:
    workspaces(run, 3)
    tags = ("--tag", "env=prod", "--tag", "env=", "--sys-tag", "env=x")
    done = run("delete", "--tenant", "p-1", "--workspace", "w-0,w-1", *tags, "--json")
    assert done.status == 0
    assert done.json["counts"]["removed"] == 4
    assert {"key": "env", "value": "x", "workspaces": 2, "system": True} in done.json["tags"]
    assert run.count("workspace_tag") == 2


@pytest.mark.slow
def test_a_job_that_did_not_succeed_exits_1(run: CommandLine) -> None:
    workspaces(run, 1)
    listed = run.file("workspaces.txt", ["w-0", "w-9"])
    done = run("delete", "--tenant", "p-1", "--workspace", listed, "--tag", "env")
    assert done.status == 1
    assert done.out.startswith("partial: delete ")
    assert "w-9" in done.out


@pytest.mark.parametrize(
    "arguments,fault",
    [
        (("detach", *ACME, "--sources", "x"), "--sources: item 1 'x': Must be a valid UUID."),
        (
            ("detach", *ACME, "--sources", "@bad.txt"),
            "bad.txt, line 3 'abc': Must be a valid UUID.",
        ),
        (("detach", *ACME, "--layers", "@none.txt"), "--layers: cannot read 'none.txt'"),
        (("detach", *ACME, "--tables", "*", "--tables", "x"), "give nothing else with it"),
        (("detach", *ACME, "--tables", "@-", "--layers", "@-"), "can be read only once"),
        (("detach", *ACME, "--name", " "), "--name: item 2 ' ': This field may not be blank."),
        (("detach", "--tenant", "a b", "--name", "x"), "--tenant 'a b': Must be 1 to 36"),
        (("detach", *ACME, "--max-affected", "-3"), "--max-affected"),
        (("detach", "--tenant", "acme"), "Missing option '--name'"),
        (("delete", "--tenant", "p-1", "--workspace", "w"), "Give at least one tag"),
        (("delete", "--tenant", "p-1", "--workspace", "w", "--tag", "=x"), "--tag: item 1 '=x'"),
        (("delete", "--tenant", "p-1", "--workspace", "a b", "--tag", "k"), "item 1 'a b'"),
    ],
)
def test_wrong_use_is_told_and_nothing_is_recorded(
    run: CommandLine, arguments: tuple[str, ...], fault: str
) -> None:
    run.file("bad.txt", [*ids(1), "", "abc"])
    refused = run(*arguments)
    assert (refused.status, refused.out) == (2, "")
    assert fault in refused.err
    assert all(line.startswith("tagsweep: ") for line in refused.err.splitlines())
    assert run.count("job") == 0


def test_every_fault_is_told_at_once(run: CommandLine) -> None:
    refused = run("detach", "--tenant", "", "--name", "", "--sources", "x,y", "--layers", "z")
    assert len(refused.err.splitlines()) == 5


@pytest.mark.slow
def test_a_job_that_nobody_waited_for_is_done_by_the_next_command(run: CommandLine) -> None:
    run.load(tables=ids(30_000))
    listed = run.file("ids.txt", ids(30_000))
    left = run("detach", *ACME, "--tables", listed, "--no-wait", "--json")
    assert left.status == 0
    assert left.json["status"] == "queued"
    assert "No worker runs here" in left.err
    assert run.count("tag_link") == 30_000
    assert run("detach", *ACME, "--sources", ids(1)[0]).status == 0
    shown = run("jobs", "show", left.json["job_id"], "--json").json
    assert (shown["status"], shown["counts"]["removed"]) == ("succeeded", 30_000)


@pytest.mark.slow
def test_a_killed_command_is_finished_by_the_next_one_with_one_event(run: CommandLine) -> None:
    run.load(tables=ids(150_000))
    listed = run.file("ids.txt", ids(150_000))
    with run.started("detach", *ACME, "--tables", listed) as killed:
        eventually(lambda: run.count("chunk", "state = 'done'") > 0)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert run.count("job", "status = 'running'") == 1
    assert 0 < run.count("tag_link") < 150_000
    assert run("detach", *ACME, "--sources", ids(1)[0]).status == 0
    assert run.count("tag_link") == 0
    ends = [event["data"]["counts"] for event in run.events()]
    assert [counts["removed"] for counts in ends if counts["total"] == 150_000] == [150_000]


@pytest.mark.slow
def test_two_commands_at_once_share_one_store(run: CommandLine) -> None:
    run.load(tables=ids(40_000))
    first = run.file("first.txt", ids(40_000)[:25_000])
    second = run.file("second.txt", ids(40_000)[15_000:])
    with (
        run.started("detach", *ACME, "--tables", first, "--json") as one,
        run.started("detach", *ACME, "--tables", second, "--json") as other,
    ):
        ends = [json.loads(process.communicate(timeout=60)[0]) for process in (one, other)]
        assert (one.returncode, other.returncode) == (0, 0)
    assert sum(end["counts"]["removed"] for end in ends) == 40_000
    assert [end["counts"]["total"] for end in ends] == [25_000, 25_000]
    assert run.count("tag_link") == 0


@pytest.mark.slow
def test_ctrl_c_says_that_the_job_goes_on(run: CommandLine) -> None:
    run.load(tables=ids(150_000))
    listed = run.file("ids.txt", ids(150_000))
    with run.started("detach", *ACME, "--tables", listed, chunk_size="500") as stopped:
        eventually(lambda: run.count("chunk", "state = 'done'") > 0)
        stopped.send_signal(signal.SIGINT)
        out, err = stopped.communicate(timeout=30)
    assert (stopped.returncode, out) == (130, "")
    assert "continues" in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_a_worker_does_within_moments_what_others_record(run: CommandLine) -> None:
    run.load(tables=ids(100))
    with run.started("worker") as worker:
        assert worker.stderr is not None
        assert str(run.store) in worker.stderr.readline()
        left = run("detach", *ACME, "--tables", ",".join(ids(100)), "--no-wait")
        eventually(lambda: run.count("tag_link") == 0, seconds=3)
        assert run("jobs", "watch", left.out.strip()).status == 0
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=10) == 0


@pytest.mark.slow
def test_jobs_are_listed_shown_watched_and_cancelled(run: CommandLine) -> None:
    run.load(tables=ids(3))
    left = run("detach", *ACME, "--tables", ids(1)[0], "--no-wait").out.strip()
    assert left in run("jobs", "list", "--status", "queued").out
    assert run("jobs", "list", "--tenant", "other", "--json").json == []
    assert run("jobs", "cancel", left).status == 0
    shown = run("jobs", "show", left, "--json").json
    assert list(shown) == [
        "id", "kind", "tenant", "status", "counts", "tags", "progress",
        "accepted_at", "started_at", "finished_at", "errors", "request", "requested_by",
    ]  # fmt: skip
    assert shown["status"] == "cancelled"
    assert run("jobs", "watch", left).status == 1
    assert [event["data"]["status"] for event in run.events()] == ["cancelled"]
    assert run.count("tag_link") == 3


@pytest.mark.slow
@pytest.mark.parametrize("order", ["show", "watch", "cancel"])
@pytest.mark.parametrize("job_id", ["3", "00000000-0000-4000-8000-000000000000"])
def test_an_unknown_job_is_told(run: CommandLine, order: str, job_id: str) -> None:
    refused = run("jobs", order, job_id)
    assert (refused.status, refused.out) == (2, "")
    assert job_id in refused.err
    assert len(refused.err.splitlines()) == 1


@pytest.mark.slow
def test_the_demonstration_comes_out_as_expected(run: CommandLine) -> None:
    shown = run("demo", database_url="nonsense")
    assert (shown.status, "every number checked" in shown.out) == (0, True), shown.err
    assert not run.store.exists()


@pytest.mark.slow
def test_a_preview_is_never_taken_for_the_job_itself(run: CommandLine) -> None:
    run.load(tables=ids(3))
    listed = run.file("ids.txt", ids(3))
    preview = run("detach", *ACME, "--tables", listed, "--dry-run", "--note", "as legal asked")
    assert "dry run (nothing is changed)" in preview.out
    (line,) = run("jobs", "list").out.splitlines()[1:]
    assert "succeeded, preview" in line
    assert "would be 3" in line
    job_id = line.split()[0]
    shown = run("jobs", "show", job_id).out
    told = [
        "dry_run      yes",
        "names: legacy",
        "tables: 3 entries",
        "note         as legal asked",
    ]
    assert [part for part in told if part not in shown] == []
    (job,) = run("jobs", "list", "--json").json
    assert (job["dry_run"], job["requested_by"]["door"]) == (True, "cli")
    assert job["requested_by"]["proved"] is False
    assert run.count("tag_link") == 3


@pytest.mark.slow
def test_an_empty_file_is_told(run: CommandLine) -> None:
    run.load(tables=ids(1))
    done = run("detach", *ACME, "--tables", run.file("none.txt", [""]), "--json")
    assert [warning["path"] for warning in done.json["warnings"]] == ["/tables"]
