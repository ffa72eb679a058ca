"""Finding a data set's files: in a folder, in the cache, or by download, always verified.

Environment variables, all optional:

``AIGC_TUTORIAL_DATA``
    a folder with data sets in the layout of :attr:`Resource.filename`; it is only read.
``AIGC_TUTORIAL_CACHE``
    where downloads are kept; by default the platform's folder for caches.
``AIGC_TUTORIAL_OFFLINE``
    ``1`` forbids downloads, ``0`` allows them.
"""

import errno
import gzip
import hashlib
import logging
import os
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aigc_tutorial.data.catalogue import Resource
from aigc_tutorial.environment import is_offline
from aigc_tutorial.files import expand, replace_file, temporary_folder

logger = logging.getLogger(__name__)

_SECONDS_TO_CONNECT, _SECONDS_TO_READ = 10, 60
# What the disk says, as opposed to the network.
_ERRORS_OF_THE_DISK = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
}


class DataIntegrityError(ValueError):
    """A file does not hold what the catalogue says it must hold."""


class DataUnavailableError(OSError):
    """A data set is neither in a folder nor in the cache, and could not be downloaded.

    Attributes:
        lacks: What the reader's own data folder lacks, as a sentence; empty if none was named.
    """

    lacks: str = ""


class CacheError(OSError):
    """The cache folder cannot be written: it is protected, the disk is full, or it is unknown."""


class DataFallbackWarning(UserWarning):
    """A smaller substitute stands in for a data set that could not be had."""


def warn_of_fallback(message: str, error: DataUnavailableError) -> None:
    """Warn that other data stand in for those that were asked for.

    What the reader's own folder lacks is added, since that is what the reader can mend.

    The warning names the package as its place and not the caller's line, which in a notebook is a
    line of a temporary file.
    """
    message = f"{message} {error.lacks}".rstrip()
    warnings.warn_explicit(message, DataFallbackWarning, filename="aigc_tutorial.data", lineno=1)


@dataclass(frozen=True)
class Source:
    """Where the data that were really used came from.

    Attributes:
        kind: a reader's ``folder``, the ``cache``, a fresh ``download``, or data ``embedded`` in
            an installed package.
        location: the folder or the package.
        description: one sentence for a reader.
    """

    kind: Literal["folder", "cache", "download", "embedded"]
    location: str
    description: str


def fetch(
    resources: Sequence[Resource],
    *,
    root: str | Path | None = None,
    offline: bool | None = None,
) -> tuple[list[bytes], Source]:
    """Return the verified contents of a data set's files, and where they were found.

    The order is: the data folder, if it holds all of the files; the cache; download into the
    cache, each address in turn. A damaged file in the data folder is an error, since that folder
    is the reader's own; one in the cache is downloaded again.

    Args:
        resources: the files, in the order in which their contents are wanted.
        root: the data folder; ``None`` takes ``AIGC_TUTORIAL_DATA``, if that is set.
        offline: whether to forbid downloads; ``None`` takes ``AIGC_TUTORIAL_OFFLINE``.

    Raises:
        DataIntegrityError: a file in the data folder is not what it should be.
        DataUnavailableError: nothing worked; the message lists everything that was tried.
        CacheError: a download is needed and the cache folder cannot be written.
        NotADirectoryError: the data folder does not exist.
    """
    attempts: list[str] = []
    lacks = ""

    folder = data_folder(root)
    if folder is not None:
        paths = [folder / resource.filename for resource in resources]
        if all(path.is_file() for path in paths):
            contents = [read_verified(p, r) for p, r in zip(paths, resources, strict=True)]
            return contents, Source("folder", str(folder), f"Read from the folder {folder}.")
        lacks = _what_it_lacks(folder, resources)
        logger.info("%s", lacks)
        attempts.append(lacks)

    offline = is_offline() if offline is None else offline
    try:
        cache = cache_folder()
    except CacheError as error:
        if not offline:
            raise
        attempts += [f"cache: {error}", _FORBIDDEN]
        raise _unavailable(resources[0], attempts, lacks) from error
    contents, downloaded = [], False
    for resource in resources:
        content = _read_cached(cache / resource.filename, resource, attempts)
        if content is None and not offline:
            content = _download(resource, cache / resource.filename, attempts)
            downloaded = True
        if content is None:
            raise _unavailable(resource, [*attempts, *[_FORBIDDEN] * offline], lacks)
        contents.append(content)
    if downloaded:
        return contents, Source("download", str(cache), f"Downloaded into the cache {cache}.")
    return contents, Source("cache", str(cache), f"Read from the cache {cache}.")


_FORBIDDEN = "download: forbidden, since AIGC_TUTORIAL_OFFLINE or offline is set"


def _what_it_lacks(folder: Path, resources: Sequence[Resource]) -> str:
    """Which files are missing in a reader's folder, and where they would have to be."""
    names = [r.filename for r in resources if not (folder / r.filename).is_file()]
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    sentence = (
        f"{folder} lacks {len(names)} of {len(resources)} files: there is no such file as "
        f"{folder / names[0]}{others}."
    )
    for above in [folder.parent, folder.parent.parent]:
        if (above / names[0]).is_file():
            return f"{sentence} It is in {above}: name that folder."
    return sentence


def _unavailable(resource: Resource, attempts: Sequence[str], lacks: str) -> DataUnavailableError:
    error = DataUnavailableError(
        f"could not get {resource.name}. Tried:\n"
        + "\n".join(f"  - {attempt}" for attempt in attempts)
        + "\nConnect to the internet and run this again, or set AIGC_TUTORIAL_DATA to a "
        f"folder that holds {resource.filename}."
    )
    error.lacks = lacks
    return error


def data_folder(root: str | Path | None = None) -> Path | None:
    """The folder to read data from: ``root``, else ``AIGC_TUTORIAL_DATA``, else none.

    Raises:
        NotADirectoryError: if a folder is named and does not exist.
    """
    named = root if root is not None else os.environ.get("AIGC_TUTORIAL_DATA") or None
    if named is None:
        return None
    folder = expand(named)
    if not folder.is_dir():
        origin = "AIGC_TUTORIAL_DATA" if root is None else "root"
        raise NotADirectoryError(
            f"{origin} names {folder}, which is not a folder; "
            "expected the folder that holds MNIST/raw and the like"
        )
    return folder


def cache_folder() -> Path:
    """Where downloads are kept: ``AIGC_TUTORIAL_CACHE``, else the platform's cache folder.

    Raises:
        CacheError: if that is in the home folder, and there is none.
    """
    import pooch

    try:
        named = os.environ.get("AIGC_TUTORIAL_CACHE")
        folder = expand(named) if named else Path(pooch.os_cache("aigc_tutorial"))
    except (FileNotFoundError, RuntimeError) as error:
        raise CacheError(
            f"the cache folder is unknown ({error}); set AIGC_TUTORIAL_CACHE to a folder, "
            "or AIGC_TUTORIAL_OFFLINE to 1"
        ) from error
    return folder


def read_verified(path: Path, resource: Resource) -> bytes:
    """Read a file, decompress it if it is gzip, and verify its content.

    Raises:
        DataIntegrityError: if the file is damaged, cut short, or another file.
    """
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            # One byte more than allowed is enough to know, however large the file unpacks to.
            content = file.read(resource.n_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataIntegrityError(
            f"{path} is cut short or damaged ({error}); expected {resource.name}. "
            "Delete it and get it again."
        ) from error
    if len(content) != resource.n_bytes:
        found = f"{len(content)} bytes" if len(content) < resource.n_bytes else "more"
        raise DataIntegrityError(
            f"{path} is not {resource.name}: expected {resource.n_bytes} bytes of content, "
            f"found {found}. Delete it and get it again."
        )
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != resource.sha256:
        raise DataIntegrityError(
            f"{path} is not {resource.name}: expected a content with SHA-256 {resource.sha256}, "
            f"found {sha256}. Delete it and get it again."
        )
    return content


def _read_cached(path: Path, resource: Resource, attempts: list[str]) -> bytes | None:
    if not path.is_file():
        attempts.append(f"{path}: there is no such file")
        return None
    try:
        return read_verified(path, resource)
    except (DataIntegrityError, OSError) as error:
        attempts.append(str(error))
        logger.warning("%s", error)
        return None


def _download(resource: Resource, path: Path, attempts: list[str]) -> bytes | None:
    """Try each address; a file takes its final name only after its content was verified.

    Several processes may do so at once: each downloads into a folder of its own.
    """
    try:
        with temporary_folder(path.parent) as folder:
            for address in resource.addresses:
                try:
                    content = _download_from(address, resource, folder / path.name)
                except (OSError, DataIntegrityError) as error:  # requests' errors are OSErrors
                    if getattr(error, "errno", None) in _ERRORS_OF_THE_DISK:
                        raise
                    attempts.append(f"{address}: {error}")
                    logger.info("%s: %s", address, error)
                    continue
                with replace_file(path) as temporary:
                    (folder / path.name).rename(temporary)
                return content
    except OSError as error:
        raise CacheError(
            f"the cache {path.parent} cannot take the download: {error}. Set AIGC_TUTORIAL_CACHE "
            "to a folder that can, or AIGC_TUTORIAL_OFFLINE to 1"
        ) from error
    return None


def _download_from(address: str, resource: Resource, path: Path) -> bytes:
    """Download a file and return its verified content."""
    import pooch
    from tqdm.auto import tqdm

    # The downloader replaces the total by the size that the server announces.
    progress = tqdm(
        desc=resource.name, total=resource.n_bytes, unit="B", unit_scale=True, leave=False
    )
    downloader = pooch.HTTPDownloader(
        progressbar=progress,
        chunk_size=2**16,
        timeout=(_SECONDS_TO_CONNECT, _SECONDS_TO_READ),
        # Some servers offer to unpack a .gz on the way, which loses the length check.
        headers={"Accept-Encoding": "identity"},
    )
    try:
        downloader(address, str(path), None)
    finally:
        progress.close()
    return read_verified(path, resource)
