"""Execute the pages whose outputs are not in the notebook cache, several at a time.

Sphinx would execute them too, but one after the other. Small models hardly use a second core, so
two pages on one core each are done sooner than one after the other on both. What is stored here is
what Sphinx then finds: the same cache, the same keys. A page that fails, in whatever way, is named;
the others are stored.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from run_pages import PageRun, run_page
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parent.parent
PROFILE = Path(__file__).with_name("page_profile.py")
BUDGETS = ROOT / "book" / "budgets.json"
N_WORKERS_AT_MOST = 8


def pages() -> list[Path]:
    """Return the notebooks that `_toc.yml` names, those first that take longest."""
    paths = [ROOT / f"{name}.ipynb" for name in parse_toc_yaml(ROOT / "_toc.yml")]
    budgets = json.loads(BUDGETS.read_text(encoding="utf-8"))
    return sorted(
        (path for path in paths if path.is_file()),
        key=lambda path: (
            -budgets[path.stem]["offline"]["seconds"] if path.stem in budgets else -float("inf")
        ),
    )


def missing(cache: JupyterCacheAbstract) -> list[Path]:
    """Return the pages that have to be executed."""
    return [path for path in pages() if not _is_cached(cache, path)]


def _is_cached(cache: JupyterCacheAbstract, path: Path) -> bool:
    try:
        cache.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return False
    return True


def n_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def kernel_environment() -> Iterator[dict[str, str]]:
    """Make a profile of IPython whose kernels draw every form of a figure; name it in variables."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile_default")
        profile.mkdir()
        shutil.copyfile(PROFILE, profile / "ipython_config.py")
        yield {**os.environ, "IPYTHONDIR": folder}


def execute_missing(folder: Path) -> list[str]:
    """Execute what the cache lacks, store it, and return the names of the pages that failed.

    Args:
        folder: of the notebook cache.
    """
    cache = get_cache(str(folder))
    waiting = missing(cache)
    if not waiting:
        return []
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    timeout = config["execute"]["timeout"]
    n_workers = min(n_cores(), len(waiting), N_WORKERS_AT_MOST)
    os.environ["OMP_NUM_THREADS"] = str(n_cores() // n_workers)
    print(f"Executing {len(waiting)} pages, {n_workers} at a time.", flush=True)
    failed = []
    started = time.monotonic()
    with kernel_environment() as environment, ThreadPoolExecutor(n_workers) as pool:
        futures: dict[Future[PageRun], Path] = {
            pool.submit(run_page, path, environment, seconds_cell=timeout): path for path in waiting
        }
        for future in as_completed(futures):
            path, run = futures[future], future.result()
            outcome = "failed" if run.failure else "done"
            print(
                f"{time.monotonic() - started:6.0f} s  {path.stem} {outcome} ({run.seconds:.0f} s)",
                flush=True,
            )
            if run.failure:
                failed.append(path.stem)
                print(run.failure, file=sys.stderr, flush=True)
                continue
            cache.cache_notebook_bundle(
                CacheBundleIn(
                    run.notebook,
                    cache.add_nb_to_project(str(path)).uri,
                    data={"execution_seconds": run.seconds},
                ),
                check_validity=False,
                overwrite=True,
            )
    return failed
