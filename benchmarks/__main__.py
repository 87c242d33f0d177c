"""The command behind ``make bench``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import bench, results
from benchmarks.bench import Options
from benchmarks.parts import ALL

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Measure the parts that are named, print each table and keep it."""
    asked = _arguments()
    options = Options(asked.runs, asked.links, asked.ids, asked.jobs, tuple(asked.only))
    names = list(ALL) if asked.part == "all" else [asked.part]
    with bench.opened(options) as shared:
        for name in names:
            part = ALL[name](shared)
            print(f"\n{part.title}\n{part.command}\n\n{part.markdown()}\n", flush=True)
            results.keep(asked.docs / "benchmarks" / "results.json", part)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure tagsweep.")
    parser.add_argument("part", choices=["all", *ALL], nargs="?", default="all")
    parser.add_argument("--runs", type=int, default=Options.runs)
    parser.add_argument("--links", type=int, default=Options.links, help="of the store")
    parser.add_argument("--ids", type=int, default=Options.ids, help="of the longest job")
    parser.add_argument("--jobs", type=int, default=Options.jobs, help="small ones")
    parser.add_argument("--only", type=_names, default=(), help="contenders, e.g. limit,ours")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where results are kept")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


if __name__ == "__main__":
    main()
