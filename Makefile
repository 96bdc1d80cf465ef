# Bluelake. `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo "$$p" && break; done)
export BLUELAKE_HOME ?= ./data
# Some environments forbid bytecode. Then each of the many processes of a run would compile all of our code anew.
export PYTHONDONTWRITEBYTECODE :=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BOOT := $(VENV)/boot
UV := $(BOOT)/bin/uv
.DEFAULT_GOAL := help
.PHONY: help install up demo test test-fast check fmt bench chaos mutants lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(READY) ## set up the virtual environment in .venv, with the locked dependencies

$(READY): requirements/dev.txt requirements/boot.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Bluelake needs Python 3.11 to 3.13; name one: make PYTHON=/path/to/python3.12 ..." >&2; exit 2; }
	@echo "Setting up $(VENV) with the locked dependencies (some 1.3 GB, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	@test -x $(UV) || { $(PYTHON) -m venv $(BOOT) || \
	  { echo "Python's venv module cannot make an environment here; on Debian: apt install python3-venv" >&2; exit 2; }; }
	@$(BOOT)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/boot.txt
	@$(UV) pip sync -q -p $(BIN)/python --compile-bytecode --require-hashes requirements/dev.txt
	@$(UV) pip install -q -p $(BIN)/python --no-deps --no-build-isolation --no-index -e .
	@touch $@

up: $(READY) ## run everything on live Jetstream hosts; Ctrl-C stops it
	@$(BIN)/bluelake up

demo: $(READY) ## run everything on the simulator, without a network; Ctrl-C stops it
	@$(BIN)/bluelake up --demo

check: $(READY) ## lint, formatting, types, import rules
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

PYTEST := $(BIN)/python -m pytest -q
FAST_TESTS := $(PYTEST) -n 2 -m "not integration"
# `make test` runs three groups side by side. Chaos and the stack wait more than they compute. The tests of the stack go one
# after the other, so that Airflow starts in time.
CHAOS := tests/harness/chaos
STACK := tests/integration tests/test_wheel.py tests/test_compose_run.py
CHAOS_TESTS := $(PYTEST) -n 2 $(CHAOS)
STACK_TESTS := $(PYTEST) $(STACK)
OTHER_TESTS := $(PYTEST) -n 2 $(addprefix --ignore=,$(CHAOS) $(STACK))

test: $(READY) ## everything at once: what check does, and all tests
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/at-once scripts/check '$(OTHER_TESTS)' '$(CHAOS_TESTS)' '$(STACK_TESTS)'

test-fast: $(READY) ## the tests that are not marked integration; without check
	@$(FAST_TESTS)

fmt: $(READY) ## format the code and mend what the linter can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: $(READY) ## measure, each figure beside its reference, and print the table
	@$(BIN)/python -m harness.bench $(WRITE)

RUNS ?= 200
FIRST_SEED ?= 1
JOBS ?= 2
chaos: $(READY) ## break everything in RUNS seeded runs (200), JOBS (2) at a time, and compare the lake with the truth
	@$(BIN)/python -m harness.chaos --runs $(RUNS) --first-seed $(FIRST_SEED) --jobs $(JOBS)

mutants: $(READY) ## put known defects into copies of the code and show that each is caught (WRITE=--write: into the docs)
	@$(BIN)/python -m harness.chaos.mutants --jobs $(JOBS) $(WRITE)

lock: $(READY) ## resolve the dependencies anew and write the hashed requirements
	@UV=$(UV) scripts/lock

clean: ## remove the virtual environment and caches; BLUELAKE_HOME stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
