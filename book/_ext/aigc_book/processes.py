"""Pages are written by as many processes as there are cores; they are read by one.

Jupyter Book's command does not pass on how many Sphinx may use. A part that writes pages keeps
nothing in memory for others: what it has for them it puts into a file, or sets down when the pages
are read. Processes that read would each import the package and PyTorch once more.
"""

import os
import sys

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

N_AT_MOST = 8


def n_processes() -> int:
    """Return how many processes may write pages; 1 where forking them is not safe."""
    return min(len(os.sched_getaffinity(0)), N_AT_MOST) if sys.platform == "linux" else 1


def write_in_parallel(app: Sphinx, env: BuildEnvironment) -> None:
    """Let Sphinx write with these; one more, which it counts, hands them the pages."""
    if (n := n_processes()) > 1:
        app.parallel = n + 1


def setup(app: Sphinx) -> None:
    """Connect to the end of reading."""
    app.connect("env-updated", write_in_parallel)
