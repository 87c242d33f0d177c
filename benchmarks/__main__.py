"""The command behind ``make bench``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import bench, page
from benchmarks.bench import Options
from benchmarks.parts import ALL

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Measure the parts that are named, or all; print each table, and keep it in the page."""
    asked = _arguments()
    options = Options(asked.runs, asked.links, asked.ids, asked.jobs, tuple(asked.only))
    names = list(ALL) if "all" in asked.parts else asked.parts
    docs = asked.docs or (DOCS if options.whole else None)
    with bench.opened(options) as shared:
        for name in names:
            part = ALL[name](shared)
            print(f"\n{part.title}\n{part.command}\n\n{part.markdown()}\n", flush=True)
            if docs:
                page.write(docs, part)
    if docs is None:
        print("A trial: docs/benchmarks.md stays as it was.", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure tagsweep.")
    parser.add_argument("parts", metavar="PART", nargs="*", default=["all"], help=", ".join(ALL))
    parser.add_argument("--runs", type=int, default=Options.runs)
    parser.add_argument("--links", type=int, default=Options.links, help="of the store")
    parser.add_argument("--ids", type=int, default=Options.ids, help="of the longest job")
    parser.add_argument("--jobs", type=int, default=Options.jobs, help="small ones")
    parser.add_argument("--only", type=_names, default=(), help="contenders, e.g. limit,ours")
    parser.add_argument("--docs", type=Path, help="where the page goes, of a trial too")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - {"all", *ALL}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(ALL)}")
    return asked


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


if __name__ == "__main__":
    main()
