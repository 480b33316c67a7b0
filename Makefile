# Every target does its own set-up: a .venv in the checkout, dependencies from the lock file.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CLIENTS := .venv-clients
SDKS := tests/clients/sdks
CONFIG ?= config.example.yaml
LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help install run demo test check clients format bench soak docs lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "spendgate needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

install: $(STAMP)  ## only the set-up

run: $(STAMP)  ## the proxy, with CONFIG=config.example.yaml
	@$(BIN)/spendgate serve -c $(CONFIG)

demo: $(STAMP)  ## twenty agents, three scopes and a budget that is too small
	@$(BIN)/spendgate demo

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest

check: $(STAMP)  ## format, lint, types, import contracts, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory test

clients: $(STAMP) $(CLIENTS)/.installed  ## SDKs and frameworks of others, in Python and, where there is npm, JavaScript; needs port 7878
	$(BIN)/python -m pytest -m clients -v tests/clients

# Their trees are heavy and none of ours. The scripts they tell of are in the source archives alone.
$(CLIENTS)/.installed: requirements-clients.lock $(SDKS)/package-lock.json
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-clients.lock
	awk '/^(langchain-runcycles|runcycles-openai-agents)==/ {wanted = 1} wanted {print} !/\\$$/ {wanted = 0}' \
		requirements-clients.lock > $(CLIENTS)/sources.lock
	$(CLIENTS)/bin/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
		--no-build-isolation --no-binary :all: -d $(CLIENTS)/sources -r $(CLIENTS)/sources.lock
	if command -v npm; then npm ci --silent --ignore-scripts --prefix $(SDKS); fi
	@touch $@

format: $(STAMP)  ## rewrite the sources as `check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)  ## regenerate the pages and the schema that come from the code
	$(BIN)/spendgate docs

lock: $(STAMP)  ## resolve the dependencies again and write the lock files
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile $(LOCK_FLAGS) -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK_FLAGS) --group dev -o requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK_FLAGS) --group clients -o requirements-clients.lock

bench: $(STAMP)  ## benchmarks with a table, never part of the tests; ARGS=--quick for a rough one
	$(BIN)/python -m tests.benchmarks $(ARGS)

soak: $(STAMP)  ## the long runs, one line a block: every mutation, 100,000 simulated lives, 240,000 fuzzed calls
	$(BIN)/python -m pytest -m soak -v

clean:  ## remove the set-up and every cache
	rm -rf $(VENV) $(CLIENTS) $(SDKS)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
