"""Files that appear whole or not at all, beside whatever else a folder holds.

A file is written under a temporary name in the folder of the final one, flushed to the disk, and
renamed: killed at any moment, the old or the new one is whole. What a killed process left lying is
cleaned by the next one that writes there. Nothing else in the folder is touched.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

_ANYBODY_MAY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_SECONDS_OF_A_DAY = 24 * 60 * 60
_SECONDS_BETWEEN_MOVES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def _machine() -> str:
    """A name for what has process numbers of its own: a machine, or a container in it."""
    name = platform.node()
    with contextlib.suppress(OSError):
        name += os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(name.encode()).hexdigest()[:8]


_MACHINE = _machine()
_TEMPORARY = re.compile(r"\.writing-([0-9a-f]{8})-(\d+)-[0-9a-f]{32}\.tmp")
_in_use: set[str] = set()


@contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """Write a file under a temporary name, which takes the place of ``path`` at the end.

    The file keeps the permissions of the one that it replaces; a new one gets those that the umask
    leaves. A symbolic link stays, and what it points to is replaced.

    Args:
        path: the file; ``~`` is the home folder, and missing folders are made.

    Yields:
        The path to write to, of the same name in a temporary folder. If the body raises, ``path``
        keeps what it held.

    Raises:
        FileNotFoundError: if the body wrote nothing.
        IsADirectoryError: if ``path`` is a folder.
        FileExistsError: if it is a device or a pipe.
        PermissionError: if it is a file that is marked read-only.
        NotADirectoryError: if a file stands where a folder should be.
        OSError: if the folder cannot be written.
    """
    path = Path(os.path.realpath(expand(path)))
    with replace_files(path.parent, path.name) as temporary:
        yield temporary / path.name


@contextmanager
def replace_files(folder: str | Path, *names: str) -> Iterator[Path]:
    """Write several files into a temporary folder, then move each into its place in ``folder``.

    All are complete and on the disk before the first is moved, and the moves follow each other at
    once. Still they are several: who reads meanwhile, or after a kill in between, may find the old
    file of one name beside the new one of another. Files that belong together must say so.

    Args:
        folder: where the files go; it is made if it is missing, and what else it holds stays.
            A symbolic link of one of the names is replaced, not what it points to.
        names: the files that the body writes, in the order in which they are moved.

    Yields:
        The temporary folder. If the body raises, ``folder`` keeps what it held.

    Raises:
        FileNotFoundError: if the body did not write one of the files.
        IsADirectoryError: if one of the names is a folder.
        FileExistsError: if one is a device or a pipe.
        PermissionError: if one is a file that is marked read-only.
        NotADirectoryError: if a file stands where a folder should be.
        OSError: if the folder cannot be written.
    """
    folder = expand(folder)
    for name in names:
        require_place_of_file(folder / name)
    with temporary_folder(folder) as temporary:
        yield temporary
        for name in names:
            _finish(temporary / name, temporary, folder / name)
        for name in names:
            _move(temporary / name, folder / name)
        _flush(folder)


def require_place_of_file(path: Path) -> None:
    """Refuse a path where no file can be put without doing away with something else.

    Raises:
        IsADirectoryError: if it is a folder.
        FileExistsError: if it is a device or a pipe, such as ``/dev/null``.
        PermissionError: if it is a file that nobody may write, which a renaming would not notice.
    """
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder, and a file should be written there; "
            "give another name or move the folder away"
        )
    if path.exists() and not path.is_file():
        raise FileExistsError(
            f"{path} is a device or a pipe, which a file would replace for every program on this "
            "machine; give the name of a file, and where nothing shall be written, none"
        )
    if path.is_file() and not path.is_symlink() and not path.stat().st_mode & _ANYBODY_MAY_WRITE:
        raise PermissionError(
            f"{path} is marked read-only, and would be replaced; give another name, or allow "
            f"writing: chmod u+w {path}"
        )


@contextmanager
def temporary_folder(folder: str | Path) -> Iterator[Path]:
    """A folder in ``folder`` that is gone afterwards, whatever happens.

    What killed processes left there before is removed first. ``folder`` is made if it is missing.

    Yields:
        The temporary folder; renaming a file from it into ``folder`` never copies.

    Raises:
        NotADirectoryError: if a file stands where a folder should be.
        OSError: if the folder cannot be written.
    """
    folder = expand(folder)
    name = f".writing-{_MACHINE}-{os.getpid()}-{uuid.uuid4().hex}.tmp"
    temporary = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        _in_use.add(name)
        temporary.mkdir()
    except OSError as error:
        _in_use.discard(name)
        _refuse(folder, error)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _in_use.discard(name)


def writable_folder(folder: str | Path) -> Path:
    """Make a folder and try to write in it, so that a long work need not fail at its end.

    Returns:
        The folder, ``~`` replaced by the home folder.

    Raises:
        NotADirectoryError: if a file stands where a folder should be.
        OSError: if the folder cannot be written.
    """
    folder = expand(folder)
    with temporary_folder(folder):
        return folder


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed while writing left in ``folder``, and nothing else.

    The process that a temporary folder names must have ended. Where that cannot be known, on
    another machine or on Windows, the folder must be older than a day.
    """
    with contextlib.suppress(OSError):  # another process may clean at the same time
        for path in folder.iterdir():
            found = _TEMPORARY.fullmatch(path.name)
            if found and _is_left_over(path, found[1], int(found[2])):
                shutil.rmtree(path, ignore_errors=True)


def expand(path: str | Path) -> Path:
    """The path with ``~`` replaced by the home folder.

    Raises:
        FileNotFoundError: if there is no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(
            f"{path} begins with ~, and the home folder is unknown ({error}); "
            "write the path out, or set HOME"
        ) from error


def read_json(path: str | Path) -> dict[str, Any]:
    """Read the JSON object that a file holds.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8, no JSON, no object, or names an entry twice; the message
            names the file.
    """
    path = expand(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return parse_json(path.read_bytes(), str(path))


def parse_json(text: str | bytes, name: str) -> dict[str, Any]:
    """Read the JSON object that a text is.

    Args:
        text: as bytes in UTF-8.
        name: what to call it in the message.

    Raises:
        ValueError: if it is not UTF-8, no JSON, no object, or names an entry twice.
    """
    try:
        values = json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            object_pairs_hook=_without_repetition,
            parse_constant=_no_number,
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is damaged or no JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(
            f"{name} is damaged: expected a JSON object, got a {type(values).__name__}"
        )
    return values


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finish(temporary: Path, folder: Path, final: Path) -> None:
    """Give a written file its permissions and bring it to the disk."""
    if not temporary.is_file():
        raise FileNotFoundError(f"nothing was written for {final}; it stays as it is")
    # A folder's permissions less the right to enter it are those of a file under the same umask.
    # Some writers, safetensors among them, make files that only their owner can read.
    mode = final.stat().st_mode if final.is_file() else folder.stat().st_mode & 0o666
    temporary.chmod(mode & 0o777)
    _flush(temporary)


def _move(source: Path, target: Path) -> None:
    """Rename a file, over the one of that name.

    On Windows one who reads the old file is in the way, a virus scanner for example; mostly for a
    moment, so it is tried again for some seconds.
    """
    is_windows = platform.system() == "Windows"
    for seconds in _SECONDS_BETWEEN_MOVES if is_windows else ():
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(seconds)
    return os.replace(source, target)


def _flush(path: Path) -> None:
    """Bring a file's content or a folder's names to the disk, as far as the system can do that.

    Without it, a machine that loses its power after the renaming may keep the new name and lose the
    content.
    """
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some file systems cannot, and the file is written anyway
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_left_over(path: Path, machine: str, process: int) -> bool:
    if path.name in _in_use:
        return False
    if machine == _MACHINE and process == os.getpid():
        return True  # of a process that had the same number
    if machine == _MACHINE and os.name == "posix":
        try:
            os.kill(process, 0)  # sends nothing
        except ProcessLookupError:
            return True
        except OSError:
            return False  # it runs, and is another user's
    try:
        return time.time() - path.stat().st_mtime > _SECONDS_OF_A_DAY
    except OSError:
        return False


def _refuse(folder: Path, error: OSError) -> NoReturn:
    """Say why nothing can be written into ``folder``, in an error of the same kind."""
    in_the_way = [path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()]
    if in_the_way:
        raise NotADirectoryError(
            f"{in_the_way[0]} is a file, and a folder is needed there to write into {folder}; "
            "give another name or move the file away"
        ) from error
    raise type(error)(
        f"the folder {folder} cannot be written ({error.strerror or error}); give one that can"
    ) from error


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError(f"an entry stands twice among {', '.join(key for key, _ in pairs)}")
    return values


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")
