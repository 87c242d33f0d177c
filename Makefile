# `make` alone lists what there is.
PYTHON ?= python3
TEST_ARGS ?=
ARGS ?=
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
RUNTIME := .venv/runtime.stamp
DEV := .venv/dev.stamp
# What a checkout lacks (an image has no tests) is not checked.
CODE := $(foreach package,tagsweep tests benchmarks,$(if $(wildcard $(package)),-p $(package)))

# PostgreSQL and Redis alone, as the session has them.
FAST := "not (rabbitmq or sqlite or own_server or chaos or slow)"

# A uv on the PATH is used; else one is put into the clone, where neither venv nor ensurepip nor
# write access elsewhere is needed.
BOOTSTRAP := .bootstrap/bin/uv
UV_FOUND := $(shell uv --version >/dev/null 2>&1 && command -v uv)
UV := $(or $(UV_FOUND),$(BOOTSTRAP))
# Asked for inside the recipes: where all is up to date nothing is fetched.
need_uv = $(if $(UV_FOUND),,@$(MAKE) --silent $(BOOTSTRAP))

# uv keeps its cache and its Pythons in the home folder, which may be missing or somebody else's: the
# first of these that is there decides.
HOME_WRITABLE := $(shell for folder in "$$HOME/.cache/uv" "$$HOME/.cache" "$$HOME"; do \
	if test -e "$$folder"; then test -w "$$folder" && echo yes; break; fi; done)
ifeq ($(HOME_WRITABLE),)
export UV_CACHE_DIR ?= $(CURDIR)/.bootstrap/cache
export UV_PYTHON_INSTALL_DIR ?= $(CURDIR)/.bootstrap/pythons
endif

# As pip does: trust what the machine trusts, which behind a proxy is more than uv brings.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= 1
endif

# The suite starts hundreds of processes: what one has compiled the next one need not, whatever the
# machine has set.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-fast matrix chaos weather bench check docs man format lock release clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
	| awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

demo: $(RUNTIME) ## run the main job on the embedded default, no server needed
	@$(BIN)/tagsweep demo

test: $(DEV) ## run the whole suite on real servers (TEST_ARGS="-k name" for less)
	@$(if $(TEST_ARGS),,$(BIN)/python -m tests.matrix --core)
	@$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal $(TEST_ARGS)

test-fast: $(DEV) ## less of it: PostgreSQL and Redis alone, nothing killed, nothing slow
	@$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal -m $(FAST) $(TEST_ARGS)

matrix: $(DEV) ## run it in each other configuration too: PgBouncer, ... (ARGS="pgbouncer" for one)
	@$(BIN)/python -m tests.matrix $(ARGS)

chaos: $(DEV) ## kill, wipe and restart everything (TAGSWEEP_TEST_CHAOS_SEED=n repeats a run)
	@TAGSWEEP_TEST_CHAOS=long $(BIN)/python -m pytest tests/chaos $(TEST_ARGS)
	@$(MAKE) weather

weather: $(DEV) ## each way in which a server can answer but refuse, under load
	@TAGSWEEP_TEST_CHAOS=long $(BIN)/python -m pytest tests/weather --numprocesses=2 --dist=loadfile \
		$(TEST_ARGS)

bench: $(DEV) ## measure, and write docs/benchmarks.md (ARGS="one-tag --runs 5" for one part)
	@$(BIN)/python -m benchmarks $(ARGS)

check: $(DEV) ## lint, formatting, types, import directions, bounds on the structure
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python .ci/structure.py

docs: $(DEV) ## build the site of the documents, into build/site
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --conf-dir .ci/site . build/site
	@echo "Open build/site/docs/README.html."

man: $(DEV) ## write the man pages anew, from the help, into docs/man
	@$(BIN)/python .ci/man.py --write

format: $(DEV) ## put the code into its standard form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" \
	--extra worker --extra gateway $(LOCK_ARGS)

lock: ## resolve the requirements anew (LOCK_ARGS=--upgrade for newer versions)
	$(need_uv)
	$(COMPILE) --group build --output-file requirements/runtime.txt pyproject.toml
	$(COMPILE) --group dev --constraints requirements/runtime.txt \
		--output-file requirements/dev.txt pyproject.toml

release: $(DEV) ## build and check wheel and sdist in dist/, and install each extra in a clean place
	$(need_uv)
	@UV=$(abspath $(UV)) $(BIN)/python .ci/release.py

clean: ## remove the environment and every cache
	rm -rf dist .venv .bootstrap .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BOOTSTRAP):
	@$(PYTHON) -m pip --version >/dev/null || { echo "uv or pip is needed to set up .venv" >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --no-cache-dir --upgrade --target .bootstrap uv

# Exactly what a lock names is in .venv, so that nothing left over hides a missing dependency. The
# project itself is installed without a network: the lock holds its build backend.
define install
	$(need_uv)
	@test -x $(BIN)/python || $(UV) venv --quiet --allow-existing --python '>=3.11,<3.14' .venv
	$(UV) pip sync --quiet --python .venv --require-hashes $<
	$(UV) pip install --quiet --python .venv --offline --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(RUNTIME): requirements/runtime.txt pyproject.toml
	$(install)

# After the runtime's stamp: its sync takes out what only the suite and the checks need.
$(DEV): requirements/dev.txt $(RUNTIME)
	$(install)
