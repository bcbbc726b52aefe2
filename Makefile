.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
LOCK_FLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --no-header --no-annotate --no-strip-extras
UPGRADE ?= --upgrade
export CLUSTER_HOME ?= $(CURDIR)/.cluster
# Days of the demo: one week.
comma := ,
DEMO_FIRST := 2013-03-04
DEMO_LAST := 2013-03-10

.PHONY: help demo test test-trino ui check bench layer lock clean
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $@

demo: $(READY) ## One week of the three demo pipelines, and a summary
	$(BIN)/python -m cluster_assets.demo --first $(DEMO_FIRST) --last $(DEMO_LAST)

test: $(READY) ## Every test that needs nothing but this machine
	$(BIN)/python -m pytest -n 2 --dist worksteal tests

test-trino: $(READY) ## The SQL on a real Trino server, fetched by Maven, row for row against DuckDB (JDK 24 or later)
	$(BIN)/python tests/trino/server.py --fetch
	$(BIN)/python -m pytest --trino tests/trino tests/engines/test_engine_contract.py -k "trino or duckdb"

ui: $(READY) ## The Dagster UI on http://127.0.0.1:3000 (PORT=3000)
	@$(BIN)/python -m cluster_assets.ui --port $(or $(PORT),3000)

check: $(READY) ## Formatting, lint, types, layers, definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dg check yaml
	$(BIN)/dg check defs

bench: $(BENCH_READY) ## The benchmark table: ratios to peers in one run, with peak memory (ONLY=candidates,clusters,days)
	$(BENCH_VENV)/bin/python -m benchmarks $(subst $(comma), ,$(ONLY))

$(BENCH_READY): requirements-bench.lock pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-bench.lock
	$(BENCH_VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $@

layer: $(READY) ## The Lambda layer and function for both processors, in build/layer (needs CPython 3.13)
	$(BIN)/python -m deploy.layer

lock: ## Resolve the dependencies anew (needs uv); the file holds hashes and no address
	uv pip compile pyproject.toml --extra dev $(LOCK_FLAGS) $(UPGRADE) -o requirements.lock
	uv pip compile pyproject.toml --extra dev --extra bench -c requirements.lock $(LOCK_FLAGS) $(UPGRADE) -o requirements-bench.lock

clean: ## Remove the environment and everything it made here
	rm -rf $(VENV) $(BENCH_VENV) .cluster .trino build *.egg-info
