"""Shared set-up of the tests: shapes are checked at run time, torch keeps to few threads."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook  # noqa: E402

# Must run before the package is imported: every annotated function then checks shapes and dtypes.
install_import_hook("aigc_tutorial", "beartype.beartype")
