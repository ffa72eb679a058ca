"""Run the stages of ``make test`` one after the other, all of them, and summarise."""

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TASKS = ROOT / "tools" / "tasks.py"
Row = tuple[str, str, float]


def run(stages: str) -> Iterator[Row]:
    """Run a stage, or stages joined by ``+`` side by side, which need one core each.

    Yields:
        Of each its name, ``passed`` or ``FAILED``, and its seconds.
    """
    first, *others = stages.split("+")
    with ThreadPoolExecutor() as pool:
        beside = [pool.submit(_call, stage, subprocess.PIPE) for stage in others]
        print(f"\n=== make {first} ===", flush=True)
        yield _call(first)[0]
        for stage, call in zip(others, beside, strict=True):
            print(f"\n=== make {stage}, beside {first} ===")
            row, said = call.result()
            print(said, end="", flush=True)
            yield row


def _call(stage: str, output: int | None = None) -> tuple[Row, str]:
    """Do the task; return what it said, too, if its output is to be piped."""
    start = time.monotonic()
    command = [sys.executable, str(TASKS), stage]
    stderr = None if output is None else subprocess.STDOUT
    result = subprocess.run(
        command, cwd=ROOT, stdout=output, stderr=stderr, text=True, errors="replace", check=False
    )
    outcome = "FAILED" if result.returncode else "passed"
    return (stage, outcome, time.monotonic() - start), result.stdout


def main(stages: list[str]) -> int:
    """Run ``make STAGE`` for each; return 1 if one failed.

    The stage ``built`` is not run when ``book`` failed: it would test an older book.
    """
    # What a stage has said may hold letters that this terminal has not, on Windows above all.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    rows: list[Row] = []
    for stage in stages:
        if stage == "built" and ("book", "FAILED") in [row[:2] for row in rows]:
            rows.append((stage, "FAILED (no book to test)", 0.0))
            continue
        rows += run(stage)
    print("\n=== make test ===")
    for stage, outcome, seconds in rows:
        print(f"{stage:<10} {seconds:6.0f} s  {outcome}")
    n_failed = sum(outcome != "passed" for _, outcome, _ in rows)
    print("All stages passed." if not n_failed else f"{n_failed} of {len(rows)} stages failed.")
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
