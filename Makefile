# `make help` lists what there is. Everything runs in .venv, which `make setup` fills from the lock files.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: help setup run start app lock format check test quick soak bench clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done ## install Python packages and Azurite

$(VENV)/.done: requirements-dev.txt dev/package-lock.json dev/setup.sh
	@bash dev/setup.sh $(VENV)
	@touch $@

run: setup ## the main job on this machine (DATA=... MODELS=... for your own)
	@$(PY) -m dev.demo $(if $(DATA),--data "$(DATA)") $(if $(MODELS),--models "$(MODELS)") $(if $(ENGINE),--engine $(ENGINE))

start: setup ## keep the function app running: func where it is installed, our host otherwise
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m dev.start

app: setup ## assemble what is deployed to Azure: out/app, out/app.zip
	@$(PY) infra/assemble.py out/app --zip out/app.zip

lock: setup ## pin what pyproject.toml asks for
	@bash dev/lock.sh $(VENV)

format: setup ## let ruff rewrite what it can
	@$(PY) -m ruff format . && $(PY) -m ruff check --fix .

check: setup ## lint, types, import contracts, lock files, templates
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m pytest -q -n 0 tests/security/test_locks.py
	@bash infra/check.sh

# Tests start hundreds of processes of the project: what was compiled once is kept, whatever the shell says.
test quick: export PYTHONDONTWRITEBYTECODE =

test: setup ## all tests (COVERAGE=1: measured, and at least 95 %)
	$(PY) -m pytest -n auto $(if $(COVERAGE),--cov --cov-report=term --cov-fail-under=95)

quick: setup ## tests but those marked as slow
	$(PY) -m pytest -n auto -m "not slow"

soak: setup ## load, faults and kills (SECONDS=600) with a proof; simulation; fuzzing
	$(PY) -m dev.soak --seconds $(or $(SECONDS),600)
	$(PY) -m tests.simulation --steps 100000
	$(PY) -m tests.fuzz --seconds 120

bench: setup ## measurements, as ratios
	@for b in bench/*.py; do echo "== $$b"; PYTHONPATH=. $(PY) $$b || exit 1; done

clean: ## remove everything that make made
	rm -rf $(VENV) dev/node_modules out .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
