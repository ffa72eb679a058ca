"""Files and folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_folder(folder: str | Path) -> Iterator[Path]:
    """Fill a temporary folder, then put it in the place of ``folder``.

    If the body raises, ``folder`` keeps what it held and the temporary folder is removed. The
    swap itself is two renames: a crash between them leaves the old content in a neighbouring
    folder whose name ends in ``.previous``, never a mixture.

    Yields:
        The temporary folder, beside the final one so that renaming never copies.
    """
    folder = Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp makes it private
        previous = folder.with_name(folder.name + ".previous")
        if folder.exists():
            shutil.rmtree(previous, ignore_errors=True)
            folder.rename(previous)
        temporary.rename(folder)
        shutil.rmtree(previous, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """Write a file under a temporary name, which takes the place of ``path`` at the end.

    Yields:
        The temporary path; if the body raises, ``path`` keeps what it held.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
