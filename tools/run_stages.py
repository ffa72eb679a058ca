"""Run the stages of ``make test`` one after the other, all of them, and summarise."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(stages: list[str]) -> int:
    """Run ``make STAGE`` for each; return 1 if one failed.

    The stage ``built`` is not run when ``book`` failed: it would test an older book.
    """
    make = os.environ.get("MAKE", "make")
    rows: list[tuple[str, str, float]] = []
    for stage in stages:
        if stage == "built" and ("book", "FAILED") in [row[:2] for row in rows]:
            rows.append((stage, "FAILED (no book to test)", 0.0))
            continue
        print(f"\n=== make {stage} ===", flush=True)
        start = time.monotonic()
        result = subprocess.run([make, "--no-print-directory", stage], cwd=ROOT, check=False)
        outcome = "passed" if result.returncode == 0 else "FAILED"
        rows.append((stage, outcome, time.monotonic() - start))
    print("\n=== make test ===")
    for stage, outcome, seconds in rows:
        print(f"{stage:<10} {seconds:6.0f} s  {outcome}")
    n_failed = sum(outcome != "passed" for _, outcome, _ in rows)
    print("All stages passed." if not n_failed else f"{n_failed} of {len(rows)} stages failed.")
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
