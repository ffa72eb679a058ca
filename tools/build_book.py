"""Build the book, and say how long it took and where it is."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import execute_pages
from aigc_book.execution_cache import make_cache_folder

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"


def main() -> int:
    """Execute the pages, then run Jupyter Book with every warning an error; return the status."""
    print("Building the book: notebooks whose code or package changed are executed.", flush=True)
    start = time.monotonic()
    if failed := execute_pages.execute_missing(make_cache_folder()):
        print(f"The book was NOT built: {', '.join(failed)} failed; see the traceback above.")
        return 1
    command = [
        *(str(Path(sys.executable).with_name("jupyter-book")), "build", str(ROOT)),
        *("-W", "--keep-going", "--path-output", str(ROOT)),
    ]
    environment = dict(os.environ)
    if not sys.stdout.isatty():
        environment["NO_COLOR"] = "1"
    result = subprocess.run(command, env=environment, check=False)
    seconds = time.monotonic() - start
    if result.returncode != 0:
        # Sphinx repeats a page's warnings only when it reads the page again; a second run must not
        # pass because the first one has told them. The executed notebooks stay in their cache.
        shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)
        print(f"The book was NOT built ({seconds:.0f} s). The messages above say why.")
        return result.returncode
    print(f"The book was built in {seconds:.0f} s. Open {BUILD / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
