# `make help` lists all targets. Everything runs in .venv, which `make setup` fills from the lock files.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
AZURITE := dev/node_modules/.package-lock.json

.NOTPARALLEL:
.PHONY: help setup run start app lock format check test quick fidelity soak bench clean

help: ## list all targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done $(AZURITE) ## install Python packages and Azurite

$(VENV)/.done: requirements-dev.txt dev/package-lock.json dev/setup.sh
	@bash dev/setup.sh $(VENV) requirements-dev.txt
	@touch $(VENV)/.run $@

# What `run` and `start` need is half of it. uv removes the rest: then `setup` has to install it again.
$(VENV)/.run: requirements-run.txt dev/package-lock.json dev/setup.sh
	@rm -f $(VENV)/.done
	@bash dev/setup.sh $(VENV) requirements-run.txt
	@touch $@

# The installations above include it; this is for a folder that was removed since.
$(AZURITE): dev/package-lock.json dev/install-azurite.sh
	@bash dev/install-azurite.sh $(VENV)

run: $(VENV)/.run $(AZURITE) ## run the main job on this machine (DATA=... MODELS=... MAPPING=... for your own)
	@$(PY) -m dev.demo $(if $(DATA),--data "$(DATA)") $(if $(MODELS),--models "$(MODELS)") $(if $(MAPPING),--mapping "$$MAPPING") $(if $(ENGINE),--engine $(ENGINE))

start: $(VENV)/.run $(AZURITE) ## keep the function app running, with func if it is installed, else with dev.host
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m dev.start

app: setup ## assemble what is deployed to Azure: out/app, out/app.zip
	@$(PY) infra/assemble.py out/app --zip out/app.zip

lock: setup ## pin the dependencies in pyproject.toml
	@bash dev/lock.sh $(VENV)

format: setup ## format and fix code with ruff
	@$(PY) -m ruff format . && $(PY) -m ruff check --fix .

check: setup ## check format, lint, types, import contracts, lock files, templates
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m pytest -q -n 0 tests/security/test_locks.py
	@bash infra/check.sh

# Tests start hundreds of Python processes: let them cache bytecode, regardless of the shell.
test quick: export PYTHONDONTWRITEBYTECODE =

test: setup ## run all tests (COVERAGE=1 requires 95 % coverage)
	$(PY) -m pytest -n auto $(if $(COVERAGE),--cov --cov-report=term --cov-fail-under=95)

quick: setup ## run all tests except slow ones
	$(PY) -m pytest -n auto -m "not slow"

fidelity: setup .fidelity/.done ## compare with what Microsoft publishes: data runtime (as root), schemas
	$(PY) -m pytest -n 0 -rs tests/fidelity tests/pipeline/engines/azureml/test_bodies.py

.fidelity/.done: tests/fidelity/requirements.txt
	@$(PY) -m venv .fidelity
	@.fidelity/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

soak: setup ## soak test under load and faults (SECONDS=600), simulation, fuzzing
	$(PY) -m dev.soak --seconds $(or $(SECONDS),600)
	$(PY) -m tests.simulation --steps 100000
	$(PY) -m tests.fuzz --seconds 120

bench: setup ## run the benchmarks, which measure ratios
	@for b in bench/[a-z]*.py; do echo "== $$b"; PYTHONPATH=. $(PY) $$b || exit 1; done

clean: ## remove what make installed and wrote, but not the data of `make start`: .azurite, local.settings.json
	rm -rf $(VENV) .fidelity dev/node_modules out .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
