"""Measures the coverage of the local engine's workers: they start without the variables that coverage reads.

On PYTHONPATH, which workers get, while tests measure coverage.
"""

import os
import sys
from pathlib import Path

if "pipeline.engines.local.worker" in sys.orig_argv:
    import coverage

    root = Path(__file__).parents[2]
    os.environ |= {
        "COVERAGE_PROCESS_START": str(root / "pyproject.toml"),
        "COVERAGE_FILE": str(root / ".coverage"),
    }
    coverage.process_startup()
