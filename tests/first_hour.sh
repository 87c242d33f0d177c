#!/bin/bash
# A first user's hour: install the wheel in an empty folder, see the demo, start with sample data,
# clean up, read the receipt, take it back. $1: the wheel, $2: a Python, $3: a free port.
set -euo pipefail

"$2" -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check --no-cache-dir "$1[worker,gateway]"
PATH="$PWD/environment/bin:$PATH"

tagsweep demo
mkdir try && cd try
tagsweep up --sample --port "$3" >up.log 2>&1 &
trap 'kill %1' EXIT
until grep -q 'Ctrl-C ends' up.log; do kill -0 %1 || { cat up.log; exit 1; }; sleep 0.1; done

bash -c "$(grep '^curl ' up.log) --silent --fail"
tagsweep detach --tenant demo --name legacy --tables '*' --dry-run
tagsweep detach --tenant demo --name legacy --tables '*' --max-affected 1200
job=$(tagsweep jobs list --limit 1 --json | python -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
echo "receipt: $(tagsweep jobs receipt "$job" --outcome removed | wc -l) removed"
tagsweep jobs undo "$job"
tagsweep doctor
