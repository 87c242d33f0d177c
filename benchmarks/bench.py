"""What every part works with: servers, templates of the store, a bar that shows how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import processes, racing, servers
from benchmarks.ground import TENANT, Ground, Layout
from benchmarks.servers import Servers
from benchmarks.work import Work


@dataclass(frozen=True)
class Options:
    """How much of everything: less than the defaults tells nothing, but tells it soon.

    Args:
        runs: How often each contender runs.
        links: How many links the store has.
        ids: How many ids the longest job has.
        jobs: How many small jobs there are.
        only: The contenders wanted; none named: all.
    """

    runs: int = 3
    links: int = 5_000_000
    ids: int = 5_000_000
    jobs: int = 5_000
    only: tuple[str, ...] = ()

    @property
    def warm(self) -> int:
        """How many small jobs to warm up with."""
        return min(200, self.jobs)

    @property
    def whole(self) -> bool:
        """Whether what is measured tells something: no less than by default."""
        least = Options()
        sizes = ("runs", "links", "ids", "jobs")
        return not self.only and all(getattr(self, one) >= getattr(least, one) for one in sizes)


@dataclass
class Bench:
    """Everything that is shared by the parts of one call."""

    servers: Servers
    options: Options
    progress: Progress
    home: Path
    _grounds: dict[str, Ground] = field(default_factory=dict)

    def ground(self, layout: Layout) -> Ground:
        """Return the template of a layout, built the first time."""
        known = self._grounds.get(layout.name)
        if known is None:
            with self.step(f"a store of {layout.links:,} links", 1):
                known = self._grounds[layout.name] = Ground(self.servers.postgres, layout)
        return known

    def work(self, ground: Ground, *tags: str) -> Work:
        """Return the work to take these tags off all resources that carry the first."""
        path = self.home / f"{ground.layout.name}-{tags[0]}"
        if not path.exists():
            ground.write_ids(tags[0], path)
        return Work(TENANT, {name: ground.tags[name] for name in tags}, str(path))

    def race(
        self, ground: Ground, work: Work, names: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """Run the contenders in turns, A B A B; return what each run measured."""
        wanted = self.options.only or names
        names = [name for name in names if name in wanted]
        measured: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        with self.step("runs", len(names) * self.options.runs) as done:
            for _ in range(self.options.runs):
                for name in names:
                    done(name)
                    measured[name].append(racing.run(self.servers, ground, name, work))
        return measured

    @contextmanager
    def step(self, what: str, total: int) -> Iterator[Any]:
        """Show a bar during the block; what it gives is called with the name of each."""
        task = self.progress.add_task(what, total=total)
        begun = False

        def next_one(name: str) -> None:
            nonlocal begun
            self.progress.update(task, description=f"{what}: {name}", advance=int(begun))
            begun = True

        try:
            yield next_one
        finally:
            self.progress.remove_task(task)


@contextmanager
def opened(options: Options) -> Iterator[Bench]:
    """Start the servers and show the bar; all ends with the block."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        Progress(*columns, console=Console(stderr=True)) as progress,
        servers.running() as both,
        processes.folder() as home,
    ):
        yield Bench(both, options, progress, home)


def seconds(runs: Sequence[dict[str, Any]], name: str = "seconds") -> list[float]:
    """Return one measure of all runs."""
    return [run[name] for run in runs]


def middle(runs: Sequence[dict[str, Any]], name: str = "seconds") -> float:
    """Return the median of one measure."""
    return median(seconds(runs, name))
