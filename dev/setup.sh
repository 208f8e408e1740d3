#!/usr/bin/env bash
# Creates the virtual environment in $1 from the lock file $2, by default that of `make run`, with a Python 3.13 or
# newer from this machine, and installs Azurite.
set -euo pipefail
venv=$1
here=$(cd "$(dirname "$0")" && pwd)
lock=${2:-$here/../requirements-run.txt}

works() { "$@" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 13))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in python3.14 python3.13 python3 python "$HOME"/.pyenv/versions/3.1[3-9]*/bin/python; do
        if works "$candidate"; then echo "$candidate"; return; fi
    done
    if command -v uv >/dev/null && candidate=$(uv python find '>=3.13' 2>/dev/null) && works "$candidate"; then
        echo "$candidate"
        return
    fi
    echo "No Python 3.13 or newer found: install it (https://www.python.org/downloads, or 'uv python install 3.13') and run make again." >&2
    return 1
}

if ! works "$venv/bin/python"; then
    python=$(find_python)
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
echo "Installing $(basename "$lock") into $venv ..."
if command -v uv >/dev/null; then
    uv pip sync --compile-bytecode --require-hashes --python "$venv/bin/python" "$lock"
    pip=(uv pip install --quiet --python "$venv/bin/python")
else
    "$venv/bin/python" "$here/install_packages.py" "$lock" # pip, with --require-hashes
    pip=("$venv/bin/python" -m pip install -qq --disable-pip-version-check)
fi
"${pip[@]}" --no-deps --no-build-isolation --editable "$here/.." # the commands work from any folder
if [ -f "$here/package-lock.json" ]; then
    bash "$here/install-azurite.sh" "$venv"
fi
