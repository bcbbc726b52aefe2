.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
KERNEL := build/kernel/built
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
DEPLOY_VENV := .venv-deploy
DEPLOY_READY := $(DEPLOY_VENV)/.ready
MINISTACK_VENV := .venv-ministack
MINISTACK_READY := $(MINISTACK_VENV)/.ready
# The emulator runs workers in its own Python; the built layer is bytecode of Lambda's.
LAYER_VENV := .venv-ministack-layer
LAYER_READY := $(LAYER_VENV)/.ready
SAM := SAM_CLI_TELEMETRY=0 $(DEPLOY_VENV)/bin/sam
LAYER := build/layer/manifest.json
ENV ?= dev
LOCK_FLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --no-header --no-annotate --no-strip-extras
TOOL_LOCK_FLAGS := $(subst --no-strip-extras,--strip-extras,$(LOCK_FLAGS))
UPGRADE ?= --upgrade
export CLUSTER_HOME ?= $(CURDIR)/.cluster
# Days of the demo: one week.
comma := ,
DEMO_FIRST := 2013-03-04
DEMO_LAST := 2013-03-10

.PHONY: help kernel demo test test-backfill test-trino test-layer ui check bench layer deploy deploy-arrivals destroy deploy-venv lock clean
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $@

# Without a C compiler nothing is built, and the worker runs its numpy twins.
$(KERNEL): $(wildcard lambda_worker/kernel/*.[ch]) deploy/kernel.py | $(READY)
	$(BIN)/python -m deploy.kernel
	@mkdir -p $(@D) && touch $@

kernel: $(KERNEL) ## The worker's inner loops, compiled for this machine (with any C compiler)

demo: $(READY) $(KERNEL) ## One week of the three demo pipelines, and a summary
	$(BIN)/python -m cluster_assets.demo --first $(DEMO_FIRST) --last $(DEMO_LAST)

test: $(READY) $(KERNEL) $(DEPLOY_READY) $(MINISTACK_READY) ## Every test that needs nothing but this machine
	$(BIN)/python -m pytest -n 2 --dist worksteal tests

test-layer: $(READY) $(KERNEL) $(DEPLOY_READY) $(LAYER_READY) $(LAYER) ## The stack with the layer as it was built, on the emulator (needs CPython 3.13)
	MINISTACK_VENV=$(LAYER_VENV) $(BIN)/python -m pytest --built-layer build/layer tests/deploy/test_deployed_stack.py

test-long: $(READY) $(KERNEL) $(DEPLOY_READY) $(MINISTACK_READY) ## Half an hour of real days, killed runs, storms and more examples (CLUSTER_REAL_DATA)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m long tests

test-trino: $(READY) $(KERNEL) ## The SQL on a real Trino server, fetched by Maven, row for row against DuckDB (JDK 24 or later)
	$(BIN)/python tests/trino/server.py --fetch
	$(BIN)/python -m pytest -n 2 --dist loadfile --trino tests/trino tests/engines/test_engine_contract.py -k "trino or duckdb"

test-backfill: $(READY) $(KERNEL) ## All 190 days of the real data backfilled from a browser (CLUSTER_REAL_DATA, Chromium); minutes
	$(BIN)/python -m pytest --backfill tests/browser/test_backfill.py

ui: $(READY) $(KERNEL) ## The Dagster UI on http://127.0.0.1:3000 (PORT=3000)
	@$(BIN)/python -m cluster_assets.ui --port $(or $(PORT),3000)

check: $(READY) ## Formatting, lint, types, layers, definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dg check yaml
	$(BIN)/dg check defs

bench: $(BENCH_READY) $(KERNEL) ## The benchmark table: ratios to peers in one run, with peak memory (ONLY=candidates,clusters,days)
	$(BENCH_VENV)/bin/python -m benchmarks $(subst $(comma), ,$(ONLY))

$(BENCH_READY): requirements-bench.lock pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-bench.lock
	$(BENCH_VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $@

layer: $(READY) ## The Lambda layer and function for both processors, in build/layer (needs CPython 3.13)
	$(BIN)/python -m deploy.layer

$(LAYER): requirements.lock $(wildcard deploy/layer/*.py) $(shell find lambda_worker -name "*.py" -o -name "*.[ch]") | $(READY)
	$(BIN)/python -m deploy.layer

deploy: $(READY) $(DEPLOY_READY) $(LAYER) ## Put everything on AWS and print its settings (ENV=dev, staging or prod)
	$(SAM) build --config-env $(ENV)
	$(SAM) deploy --config-env $(ENV)
	$(BIN)/python -m deploy.stack protect $(ENV)
	$(BIN)/python -m deploy.stack settings $(ENV)

destroy: $(READY) ## Remove it again; refuses while there are published days (ENV=dev, DATA=delete, CONFIRM=stack name)
	$(BIN)/python -m deploy.stack destroy $(ENV) --data '$(or $(DATA),keep)' --confirm '$(CONFIRM)'

deploy-venv: $(DEPLOY_READY) $(MINISTACK_READY) ## The environments of sam and of the emulator it is tested with

deploy-arrivals: $(DEPLOY_READY) ## The queue that tells a pipeline of days that arrive (ENV=dev, PIPELINE=name)
	$(SAM) deploy --template-file deploy/arrivals.yaml --no-fail-on-empty-changeset --tags application=cluster-assets environment=$(ENV) \
	  --stack-name cluster-assets-$(ENV)-arrivals-$(subst _,-,$(PIPELINE)) \
	  --parameter-overrides EnvironmentName=$(ENV) Pipeline=$(PIPELINE)

# Installed without resolving: the locks hold everything, and pip takes a lock with extras for incomplete.
$(DEPLOY_READY): requirements-deploy.lock
	$(PYTHON) -m venv $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

$(MINISTACK_READY): requirements-ministack.lock
	$(PYTHON) -m venv $(MINISTACK_VENV)
	$(MINISTACK_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

$(LAYER_READY): requirements-ministack.lock | $(READY)
	$$($(BIN)/python -c 'from deploy.layer.interpreter import *; print(find_interpreter(DEFAULT_PYTHON))') -m venv $(LAYER_VENV)
	$(LAYER_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

lock: ## Resolve the dependencies anew (needs uv); the file holds hashes and no address
	uv pip compile pyproject.toml --extra dev $(LOCK_FLAGS) $(UPGRADE) -o requirements.lock
	uv pip compile pyproject.toml --extra dev --extra bench -c requirements.lock $(LOCK_FLAGS) $(UPGRADE) -o requirements-bench.lock
	uv pip compile deploy/requirements.in $(TOOL_LOCK_FLAGS) $(UPGRADE) -o requirements-deploy.lock
	uv pip compile deploy/ministack.in $(TOOL_LOCK_FLAGS) $(UPGRADE) -o requirements-ministack.lock

clean: ## Remove the environment and everything it made here
	rm -rf $(VENV) $(BENCH_VENV) $(DEPLOY_VENV) $(MINISTACK_VENV) $(LAYER_VENV) .aws-sam .cluster .trino build *.egg-info
