"""Which small changes to the code do the tests not notice?

``make mutants PART=gan DIGITS=37`` copies the repository to ``.cache/mutants/gan``, lets mutmut
change that subpackage in the copy, one place at a time, and runs the subpackage's tests on each
change. A sample is the changes whose number ends in one of the digits: two digits are a fifth of
all, and other digits are other changes; with ``--minutes 10`` it is as many of these as ten minutes
take, file by file. In the copy, ``mutmut show NAME`` prints a change that survived.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from recording import recorded

from aigc_tutorial.files import replace_file

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results/mutants.json"
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
# The tests of the subpackage's own folder. What takes minutes for one change is left out.
TESTS = {
    "ar": ["tests/ar"],
    "evaluation": ["tests/evaluation"],
    "gan": ["tests/gan"],
    "optim": ["tests/optim"],
    "training": ["tests/training", "--ignore=tests/training/test_kills.py"],
}
SETTINGS = """[mutmut]
source_paths=aigc_tutorial
only_mutate=
  aigc_tutorial/{pattern}
also_copy=
  aigc_tutorial
  book
  tools
pytest_add_cli_args=
  -p
  no:cacheprovider
pytest_add_cli_args_test_selection=
  {tests}
use_setproctitle=false
"""


def copy_repository(target: Path) -> None:
    """Copy what git knows, or would know after `git add`, over what is in the folder."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def try_changes(
    part: str, files: str, tests: list[str], digits: str, minutes: float | None
) -> Path:
    """Try the changes of a part, for so long at most, and return the folder that knows them."""
    folder = ROOT / ".cache/mutants" / part
    shutil.rmtree(folder, ignore_errors=True)
    copy_repository(folder)
    settings = SETTINGS.format(pattern=f"{part}/{files}", tests="\n  ".join(tests))
    (folder / "setup.cfg").write_text(settings)
    sample = f"aigc_tutorial.{part}.*__mutmut_*[{digits}]"
    process = subprocess.Popen(
        [MUTMUT, "run", "--max-children", "1", sample],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        returned = process.wait(None if minutes is None else 60 * minutes)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    else:
        if returned != 0:
            raise SystemExit("mutmut failed; what it said stands above")
    return folder


def outcomes(folder: Path) -> dict[str, str]:
    """What became of each change that was tried: "killed", "survived" and so on."""
    listing = subprocess.run(
        [MUTMUT, "results", "--all", "true"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"^\s*(\S+__mutmut_\d+): (.+)$", listing.stdout, re.MULTILINE)
    return {name: outcome for name, outcome in found if outcome != "not checked"}


def as_tables(results: dict[str, Any]) -> str:
    """Render the results as Markdown."""
    lines = [
        "# Mutations",
        "",
        "Written by `benchmarks/mutants.py`, which `make mutants` calls. A change is killed when a",
        "test fails on it or runs out of time. The README beside says why the survivors stay.",
        "",
        "| files | tests | digits | tried | killed | survived | no test | date |",
        "|:--|:--|:--|--:|--:|--:|--:|:--|",
    ]
    for files, r in sorted(results.items()):
        counts = Counter(r["counts"])
        killed = counts["killed"] + counts["timeout"]
        survived, untested = counts["survived"], counts["no tests"]
        lines.append(
            f"| `{files}` | `{' '.join(r['tests'])}` | {r['digits']} "
            f"| {sum(counts.values())} | {killed} | {survived} | {untested} | {r['date']} |"
        )
    lines += ["", "The survivors:", ""]
    for _, r in sorted(results.items()):
        lines += [f"- `{name.removeprefix('aigc_tutorial.')}`" for name in r["survivors"]]
    return "\n".join([*lines, ""])


def main() -> None:
    """Try a part's changes and record the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=TESTS)
    parser.add_argument("--digits", default="0-9", help="last digits of the changes to try")
    parser.add_argument("--files", default="*", help="pattern of the part's files")
    parser.add_argument("--tests", nargs="+", help="test files or folders, instead of the part's")
    parser.add_argument("--minutes", type=float, help="stop after so long; by default at the end")
    options = parser.parse_args()
    tests = options.tests or TESTS[options.part]
    started = time.perf_counter()
    folder = try_changes(options.part, options.files, tests, options.digits, options.minutes)
    minutes = (time.perf_counter() - started) / 60
    record(f"{options.part}/{options.files}", tests, options.digits, outcomes(folder), minutes)


def record(
    files: str, tests: list[str], digits: str, found: dict[str, str], minutes: float
) -> None:
    """Write the counts beside those of the other files, and print them."""
    result = {
        "tests": tests,
        "digits": digits,
        "counts": dict(Counter(found.values())),
        "survivors": sorted(n for n, o in found.items() if o in {"survived", "no tests"}),
        "date": datetime.date.today().isoformat(),
        "minutes": round(minutes, 1),
    }
    results = recorded(RESULTS) | {files: result}
    with replace_file(RESULTS) as temporary:
        temporary.write_text(json.dumps(results, indent=2) + "\n")
    with replace_file(RESULTS.with_suffix(".md")) as temporary:
        temporary.write_text(as_tables(results))
    print(as_tables(results))


if __name__ == "__main__":
    main()
