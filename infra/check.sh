#!/usr/bin/env bash
# Runs checkov on the templates, in its own environment: it pins an older parser than the tests use.
# checkov also exits with 0 if it checked nothing, so this script checks its counts.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv/checkov
lock=infra/requirements.txt
if ! cmp -s "$lock" "$venv/lock"; then
    .venv/bin/python -m venv "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r "$lock"
    cp "$lock" "$venv/lock"
fi
"$venv/bin/checkov" --directory infra --framework bicep --skip-download --compact --output json >"$venv/report.json" || true
"$venv/bin/python" - "$venv/report.json" <<'PYTHON'
import json
import sys

report = json.load(open(sys.argv[1]))
counts = report.get("summary", {})
for check in report.get("results", {}).get("failed_checks", []):
    print(f"{check['check_id']} {check['check_name']}: {check['file_path']} {check['resource']}", file=sys.stderr)
good = counts.get("passed", 0) > 0 and counts["failed"] == 0 and counts["parsing_errors"] == 0
print(f"checkov: {counts}")
sys.exit(not good)
PYTHON
