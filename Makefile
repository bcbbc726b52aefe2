.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the demo and production need, and all that contributors need.
RUNTIME := $(VENV)/.runtime
READY := $(VENV)/.ready
DOCS_VENV := .venv-docs
DOCS_READY := $(DOCS_VENV)/.ready
KERNEL := build/kernel/built
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
DEPLOY_VENV := .venv-deploy
DEPLOY_READY := $(DEPLOY_VENV)/.ready
MINISTACK_VENV := .venv-ministack
MINISTACK_READY := $(MINISTACK_VENV)/.ready
SNOWFLAKE_VENV := .venv-snowflake
SNOWFLAKE_READY := $(SNOWFLAKE_VENV)/.ready
# The emulator runs workers in its own Python; the built layer is bytecode of Lambda's.
LAYER_VENV := .venv-ministack-layer
LAYER_READY := $(LAYER_VENV)/.ready
SBOM_VENV := .venv-sbom
SBOM_READY := $(SBOM_VENV)/.ready
SAM := SAM_CLI_TELEMETRY=0 $(DEPLOY_VENV)/bin/sam
LAYER := build/layer/manifest.json
SERVING := build/serving/manifest.json
STACK := $(BIN)/python -m deploy.stack
ENV ?= dev
LOCK_FLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --no-header --no-annotate --no-strip-extras
TOOL_LOCK_FLAGS := $(subst --no-strip-extras,--strip-extras,$(LOCK_FLAGS))
# For Lambda's Python alone, so that no line of it depends on the machine that installs it.
LAYER_LOCK_FLAGS := $(filter-out --universal,$(subst 3.11,$(shell sed -n 's/^PYTHON = "\(.*\)"/\1/p' deploy/layer/interpreter.py),$(TOOL_LOCK_FLAGS))) \
  --python-platform linux
UPGRADE ?= --upgrade
export CLUSTER_HOME ?= $(CURDIR)/.cluster
# Days of the demo: one week.
comma := ,
DEMO_FIRST := 2013-03-04
DEMO_LAST := 2013-03-10

.PHONY: help sbom kernel demo test test-fast test-browser test-trino test-layer ui check bench layer deploy deploy-arrivals deploy-serving destroy deploy-venv docs pages lock clean
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(RUNTIME): requirements/runtime.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/runtime.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(READY): requirements/project.lock | $(RUNTIME)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/project.lock
	@touch $@

# Without a C compiler nothing is built, and the worker runs its numpy fallback.
$(KERNEL): $(wildcard lambda_worker/kernel/*.[ch]) lambda_worker/kernel/compiler.py | $(RUNTIME)
	$(BIN)/python -m lambda_worker.kernel.compiler
	@mkdir -p $(@D) && touch $@

kernel: $(KERNEL) ## The worker's inner loops, compiled for this machine (with any C compiler)

demo: $(RUNTIME) $(KERNEL) ## One week of the three demo pipelines, and a summary
	$(BIN)/python -m cluster_assets.cli.demo --first $(DEMO_FIRST) --last $(DEMO_LAST)

test: $(READY) $(KERNEL) $(DEPLOY_READY) $(MINISTACK_READY) $(SNOWFLAKE_READY) ## Every test that needs nothing but Python
	$(BIN)/python -m pytest -n 3 --dist worksteal tests

FAST := domain spec docs cli/test_new.py sql/test_statements.py sql/test_stage_folders.py sql/test_times.py \
  stages/test_stage_facts.py stages/raw worker/graph worker/test_contract.py worker/test_handler.py
test-fast: $(READY) $(KERNEL) ## Tests to run while working: no server, no emulator, about a minute
	$(BIN)/python -m pytest -n 2 --dist worksteal $(addprefix tests/,$(FAST))

test-layer: $(READY) $(KERNEL) $(DEPLOY_READY) $(LAYER_READY) $(LAYER) ## The stack with the layer as it was built, on the emulator (needs CPython 3.13)
	MINISTACK_VENV=$(LAYER_VENV) $(BIN)/python -m pytest --built-layer build/layer tests/deploy/test_deployed_stack.py

test-long: $(READY) $(KERNEL) $(DEPLOY_READY) $(MINISTACK_READY) $(SNOWFLAKE_READY) ## Half an hour of real days, killed runs, storms and more examples (CLUSTER_REAL_DATA)
	CLUSTER_TEST_EXAMPLES=new $(BIN)/python -m pytest -n 2 --dist worksteal -m long tests

test-trino: $(READY) $(KERNEL) ## The SQL on a real Trino server, fetched by Maven, row for row against DuckDB (JDK 24 or later)
	$(BIN)/python tests/backends/trino/server.py --fetch
	$(BIN)/python -m pytest -n 2 --dist loadfile --trino tests/backends/trino tests/backends/test_engine_contract.py -k "trino or duckdb"

test-browser: $(READY) $(KERNEL) ## Dagster's UI and the API's page in Chromium, and 190 days backfilled from it (CLUSTER_REAL_DATA); minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile --browser tests/browser

ui: $(RUNTIME) $(KERNEL) ## The Dagster UI on http://127.0.0.1:3000 (PORT=3000)
	@$(BIN)/python -m cluster_assets.cli.ui --port $(or $(PORT),3000)

check: $(READY) ## Formatting, lint, types, layers, definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dg check yaml
	$(BIN)/dg check defs

bench: $(BENCH_READY) $(KERNEL) ## Benchmarks beside the strongest peers, results checked (ONLY=candidates,days, ARGS="--small")
	$(BENCH_VENV)/bin/python -m benchmarks $(subst $(comma), ,$(ONLY)) $(ARGS)

$(BENCH_READY): requirements/bench.lock pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements/bench.lock
	$(BENCH_VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $@

layer: $(READY) ## The Lambda layer and function for both processors, in build/layer (needs CPython 3.13)
	$(BIN)/python -m deploy.layer

$(LAYER): requirements/layer.lock requirements/kernel.lock $(wildcard deploy/layer/*.py) $(shell find lambda_worker -name "*.py" -o -name "*.[ch]") | $(READY)
	$(BIN)/python -m deploy.layer

$(SERVING): requirements/serving.lock $(wildcard deploy/layer/*.py) $(shell find cluster_assets lambda_worker -name "*.py") cluster_assets/api/page.html | $(READY)
	$(BIN)/python -m deploy.layer serving

deploy: $(READY) $(DEPLOY_READY) $(LAYER) ## Put everything on AWS and print its settings (ENV=dev, staging or prod; NAME=suffix)
	$(SAM) build --config-env $(ENV)
	options=$$($(STACK) options $(ENV) --name '$(NAME)') && $(SAM) deploy --config-env $(ENV) $$options
	$(STACK) protect $(ENV) --name '$(NAME)'
	$(STACK) settings $(ENV) --name '$(NAME)'

destroy: $(READY) ## Remove it again; refuses while there are published days (ENV=dev, NAME=suffix, DATA=delete, CONFIRM=stack name)
	$(STACK) destroy $(ENV) --name '$(NAME)' --data '$(or $(DATA),keep)' --confirm '$(CONFIRM)'

deploy-venv: $(DEPLOY_READY) $(MINISTACK_READY) $(SNOWFLAKE_READY) ## The environments of sam and of the emulators of AWS and Snowflake

deploy-arrivals: $(READY) $(DEPLOY_READY) ## The queue that announces arrived days to a pipeline (ENV=dev, NAME=suffix, PIPELINE=name)
	options=$$($(STACK) arrivals $(ENV) $(PIPELINE) --name '$(NAME)') && \
	  $(SAM) deploy --template-file deploy/arrivals.yaml --no-fail-on-empty-changeset $$options

deploy-serving: $(DEPLOY_READY) $(SERVING) ## The API on AWS, after `make deploy` (ENV=dev, staging or prod; NAME=suffix)
	options=$$($(STACK) options $(ENV) --name '$(NAME)' --serving) && $(SAM) deploy --template-file deploy/serving.yaml \
	  --config-file $(CURDIR)/samconfig.toml --config-env $(ENV)-serving $$options

sbom: $(RUNTIME) $(SBOM_READY) ## What production runs, with licences, as CycloneDX: build/sbom.json
	@mkdir -p build
	$(SBOM_VENV)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON \
	  -o build/sbom.json $(BIN)/python

# Not --quiet: mkdocs counts only the warnings that it prints, and --strict would pass.
docs: $(DOCS_READY) ## The documentation as a site, in site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict

pages: demo ## The pages and pictures of docs/ that scripts write (needs Chromium)
	$(BIN)/python -m docs.make_tables
	$(BIN)/python -m docs.make_pictures
	$(BIN)/python -m docs.make_notebook

# Installed without resolving: the locks hold everything, and pip takes a lock with extras for incomplete.
$(DEPLOY_READY): requirements/deploy.lock
	$(PYTHON) -m venv $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

$(DOCS_READY): requirements/docs.lock
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

$(SBOM_READY): requirements/sbom.lock
	$(PYTHON) -m venv $(SBOM_VENV)
	$(SBOM_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

$(MINISTACK_READY): requirements/ministack.lock
	$(PYTHON) -m venv $(MINISTACK_VENV)
	$(MINISTACK_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

$(SNOWFLAKE_READY): requirements/snowflake.lock
	$(PYTHON) -m venv $(SNOWFLAKE_VENV)
	$(SNOWFLAKE_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

$(LAYER_READY): requirements/ministack.lock | $(READY)
	$$($(BIN)/python -c 'from deploy.layer.interpreter import find_interpreter; print(find_interpreter())') -m venv $(LAYER_VENV)
	$(LAYER_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

lock: ## Resolve the dependencies anew (needs uv); the file holds hashes and no address
	uv pip compile pyproject.toml --extra dev $(LOCK_FLAGS) $(UPGRADE) -o requirements/project.lock
	uv pip compile pyproject.toml requirements/runtime.in -c requirements/project.lock $(LOCK_FLAGS) $(UPGRADE) -o requirements/runtime.lock
	uv pip compile pyproject.toml --extra dev --extra bench -c requirements/project.lock $(LOCK_FLAGS) $(UPGRADE) -o requirements/bench.lock
	uv pip compile requirements/layer.in -c requirements/project.lock $(LAYER_LOCK_FLAGS) $(UPGRADE) -o requirements/layer.lock
	uv pip compile requirements/serving.in -c requirements/project.lock $(LAYER_LOCK_FLAGS) $(UPGRADE) -o requirements/serving.lock
	uv pip compile requirements/container.in -c requirements/project.lock $(subst 3.11,3.12,$(TOOL_LOCK_FLAGS)) $(UPGRADE) -o requirements/container.lock
	uv pip compile requirements/deploy.in $(TOOL_LOCK_FLAGS) $(UPGRADE) -o requirements/deploy.lock
	uv pip compile requirements/ministack.in $(TOOL_LOCK_FLAGS) $(UPGRADE) -o requirements/ministack.lock
	uv pip compile requirements/snowflake.in $(TOOL_LOCK_FLAGS) $(UPGRADE) -o requirements/snowflake.lock
	uv pip compile requirements/sbom.in $(TOOL_LOCK_FLAGS) $(UPGRADE) -o requirements/sbom.lock
	uv pip compile requirements/docs.in $(TOOL_LOCK_FLAGS) $(UPGRADE) -o requirements/docs.lock

clean: ## Remove the environment and everything it made here
	rm -rf $(VENV) $(BENCH_VENV) $(DOCS_VENV) $(DEPLOY_VENV) $(MINISTACK_VENV) $(SNOWFLAKE_VENV) $(LAYER_VENV) $(SBOM_VENV) .aws-sam .cluster .trino build site *.egg-info
