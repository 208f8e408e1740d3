"""`python -m tests.fuzz --target model --seconds 60`: damage documents for that long, and count them."""

import argparse
import hashlib
import logging
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.targets import Target, model_seeds, targets

CORPUS = Path(__file__).parent / "corpus"
GUIDED = ("model", "pickle")
_AT_ONCE = 500


def main() -> int:
    """Damage documents of every kind for some seconds; what breaks a reader is kept in tests/fuzz/corpus."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="in all (%(default)g)")
    parser.add_argument("--target", action="append", help="one kind of document; can be given several times")
    parser.add_argument(
        "--guided", action="store_true", help=f"by coverage, with atheris: {' or '.join(GUIDED)}"
    )
    args = parser.parse_args()
    if args.guided:
        chosen = args.target or GUIDED
        if not set(chosen) <= set(GUIDED):
            parser.error(f"--guided takes the targets {' and '.join(GUIDED)}")
        return max(_guide(name, args.seconds / len(chosen)) for name in chosen)
    logging.disable(logging.CRITICAL)
    bugs = tried = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        chosen = {
            name: each for name, each in targets(Path(folder)).items() if name in (args.target or [name])
        }
        for name, target in chosen.items():
            count, bug = _fuzz(target, args.seconds / len(chosen))
            tried += count
            if bug is not None:
                bugs += 1
                print(f"{name}: broken by {_keep(name, bug)}", flush=True)
            else:
                print(f"{name}: {count:,} tried", flush=True)
    print(f"{bugs} of {len(chosen)} readers broken" if bugs else f"No reader broken by {tried:,} documents.")
    return 1 if bugs else 0


def _guide(name: str, seconds: float) -> int:
    """Fuzz in a process of its own: libFuzzer ends it. What it finds is kept in the corpus."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for number, content in enumerate(model_seeds(name)):
            (Path(folder) / str(number)).write_bytes(content)
        command = [sys.executable, "-m", "tests.fuzz.guided", name, str(int(seconds)), folder]
        done = subprocess.run([*command, str(CORPUS / name)], check=False)
    print(f"{name}: {'broken, see above' if done.returncode else 'nothing found'}", flush=True)
    return 1 if done.returncode else 0


def _fuzz(target: Target, seconds: float) -> tuple[int, bytes | None]:
    """The number of inputs that were tried, and the smallest that broke the reader."""
    end, count = time.monotonic() + seconds, 0
    smallest: bytes | None = None

    @settings(
        max_examples=_AT_ONCE,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def check(content: bytes) -> None:
        nonlocal count, smallest
        count += 1
        try:
            target.try_out(content)
        except BaseException:
            smallest = content if smallest is None or len(content) <= len(smallest) else smallest
            raise

    while time.monotonic() < end:
        try:
            check()
        except Exception:  # noqa: BLE001 - any exception here is a bug
            traceback.print_exc(limit=-3)
            return count, smallest
    return count, None


def _keep(name: str, content: bytes) -> Path:
    file = CORPUS / name / hashlib.sha256(content).hexdigest()[:12]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


if __name__ == "__main__":
    sys.exit(main())
