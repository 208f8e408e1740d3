#!/usr/bin/env bash
# Pins the dependencies in pyproject.toml, with hashes and without the address of any registry.
set -euo pipefail
venv=$1
cd "$(dirname "$0")/.."
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r dev/uv.txt
compile() {
    "$venv/bin/uv" pip compile --quiet --universal --python-version 3.13 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock' "$@"
}
compile pyproject.toml --extra scoring --extra pipeline --extra app -o requirements.txt
compile pyproject.toml --all-extras --group dev --group bench -c requirements.txt -o requirements-dev.txt
compile pyproject.toml --all-extras --group run -c requirements-dev.txt -o requirements-run.txt
compile pyproject.toml --extra pipeline --extra app -c requirements.txt -o requirements-app.txt
compile infra/checkov.in -o infra/requirements.txt
compile dev/uv.in -o dev/uv.txt
compile dev/node.in -o dev/node.txt
compile tests/fidelity/requirements.in -o tests/fidelity/requirements.txt
