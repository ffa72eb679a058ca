"""Files that appear whole or not at all, and what else lies in the folder."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aigc_tutorial import files
from aigc_tutorial.files import (
    expand,
    read_json,
    replace_file,
    replace_files,
    temporary_folder,
    writable_folder,
)

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions and signals of POSIX")


def write(path, text="new"):
    with replace_file(path) as temporary:
        temporary.write_text(text)


def test_a_file_appears_at_the_end_of_the_body_alone(tmp_path):
    path = tmp_path / "made" / "on" / "the" / "way" / "a.txt"
    with replace_file(path) as temporary:
        temporary.write_text("new")
        assert temporary.name == "a.txt"
        assert not path.exists()
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_body_that_raises_leaves_the_old_file(error, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half():
        with replace_file(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_several_files_are_replaced_when_all_are_complete(tmp_path):
    for name in ("a", "b", "stranger"):
        (tmp_path / name).write_text("old")
    with (
        pytest.raises(FileNotFoundError, match=r"nothing was written for .*b; it stays"),
        replace_files(tmp_path, "a", "b") as temporary,
    ):
        (temporary / "a").write_text("new")
    assert [(tmp_path / name).read_text() for name in ("a", "b")] == ["old", "old"]
    with replace_files(tmp_path, "a", "b") as temporary:
        for name in ("a", "b"):
            (temporary / name).write_text("new")
    assert [(tmp_path / name).read_text() for name in ("a", "b")] == ["new", "new"]
    assert (tmp_path / "stranger").read_text() == "old"


@POSIX
def test_permissions_are_those_of_the_old_file_or_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with replace_file(tmp_path / "new") as temporary:
            temporary.write_text("")
            temporary.chmod(0o600)  # as safetensors leaves it
        (tmp_path / "private").touch(mode=0o600)
        write(tmp_path / "private")
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "private": 0o600}


def test_a_file_that_is_marked_read_only_stays(tmp_path):
    """A renaming asks for the rights of the folder alone, and would take the mark for nothing."""
    path = tmp_path / "results.csv"
    path.write_text("precious")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match=r"results\.csv is marked read-only.*chmod u\+w"):
        write(path)
    (tmp_path / "other").write_text("old")
    with pytest.raises(PermissionError), replace_files(tmp_path, "other", path.name):
        raise AssertionError("nothing should be written")
    assert (path.read_text(), (tmp_path / "other").read_text()) == ("precious", "old")
    path.chmod(0o644)
    write(path)
    assert path.read_text() == "new"


@POSIX
def test_links_are_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "a.txt")
    for path in (tmp_path / "folder" / "a.txt", tmp_path / "link"):
        for text in ("first", "second"):
            write(path, text)
            assert (tmp_path / "elsewhere" / "a.txt").read_text() == text
    assert (tmp_path / "folder").is_symlink()
    assert (tmp_path / "link").is_symlink()


def test_the_home_folder_is_meant_by_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write("~/a.txt")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_without_a_home_folder_a_tilde_is_a_clear_error(monkeypatch):
    def unknown(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    with pytest.raises(FileNotFoundError, match=r"~/a begins with ~.*set HOME"):
        expand("~/a")


def test_what_is_in_the_way_is_named_and_stays(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    with pytest.raises(IsADirectoryError, match="folder is a folder"):
        write(tmp_path / "folder")
    for deeper in ("a", "b/c"):
        with pytest.raises(NotADirectoryError, match="file is a file, and a folder is needed"):
            write(tmp_path / "file" / deeper)
    assert (tmp_path / "file").read_text() == "old"


@POSIX
def test_devices_and_pipes_stay_what_they_are(tmp_path):
    """As root a file would take the place of ``/dev/null``, for the whole machine."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="pipe is a device or a pipe"):
        write(tmp_path / "pipe")
    with (
        pytest.raises(FileExistsError, match="pipe is a device or a pipe"),
        replace_files(tmp_path, "whole", "pipe") as temporary,
    ):
        (temporary / "whole").write_text("new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(28, "full")])
def test_a_folder_that_cannot_be_written_is_named(error, tmp_path, monkeypatch):
    # Not by permissions: the administrator, as whom tests may run in a container, writes anyway.
    def refuse(self, *args, **kwargs):
        raise error

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(type(error), match=rf"{tmp_path} cannot be written \({error.strerror}\)"):
        writable_folder(tmp_path)


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    assert writable_folder(tmp_path / "new") == tmp_path / "new"
    assert os.listdir(tmp_path / "new") == []


# The module by its path: the package would import torch first.
KILLED_WHILE_WRITING = """
import runpy, sys, time
replace_file = runpy.run_path(sys.argv[1])["replace_file"]
with replace_file(sys.argv[2]) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@POSIX
def test_a_killed_process_leaves_the_old_file_and_the_next_one_cleans(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    (tmp_path / ".writing-by-hand").write_text("a stranger")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_WRITING, files.__file__, str(path)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    write(tmp_path / "b.txt")  # while the other still writes: its temporary folder stays
    assert len(os.listdir(tmp_path)) == 4
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert path.read_text() == "old"
    write(path)
    assert sorted(os.listdir(tmp_path)) == [".writing-by-hand", "a.txt", "b.txt"]


def test_what_another_machine_left_is_cleaned_after_a_day(tmp_path):
    left = tmp_path / f".writing-{'0' * 8}-1-{'0' * 32}.tmp"
    left.mkdir()
    write(tmp_path / "a")
    assert left.exists()
    os.utime(left, (time.time() - 90_000,) * 2)
    write(tmp_path / "a")
    assert not left.exists()


def test_what_a_process_of_the_same_number_left_is_cleaned(tmp_path):
    left = tmp_path / f".writing-{files._MACHINE}-{os.getpid()}-{'0' * 32}.tmp"
    left.mkdir()
    with temporary_folder(tmp_path) as first, temporary_folder(tmp_path) as second:
        assert sorted(os.listdir(tmp_path)) == sorted([first.name, second.name])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("system", "is_written"), [("Windows", True), ("Linux", False)])
def test_on_windows_who_reads_the_old_file_is_waited_for(system, is_written, tmp_path, monkeypatch):
    """There an open file cannot be replaced; elsewhere a refusal is final."""
    write(tmp_path / "a.txt", "old")
    refusals, replace = iter(range(3)), os.replace

    def refuse_thrice(*paths):
        if next(refusals, None) is not None:
            raise PermissionError(13, "Access is denied")
        replace(*paths)

    waits: list[float] = []
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("os.replace", refuse_thrice)
    monkeypatch.setattr("time.sleep", waits.append)
    if is_written:
        write(tmp_path / "a.txt")
        assert waits == sorted(waits)
        assert len(waits) == 3
    else:
        with pytest.raises(PermissionError):
            write(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == ("new" if is_written else "old")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_two_writers_and_a_reader_see_whole_files(tmp_path):
    path = tmp_path / "a.txt"
    texts = ["a" * 5000, "b" * 70_000]
    write(path, texts[0])

    def keep_writing(text):
        for _ in range(30):
            write(path, text)

    threads = [threading.Thread(target=keep_writing, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert path.read_text() in texts
    for thread in threads:
        thread.join()
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000, b"null"],
)
def test_what_is_no_json_object_is_told_with_its_path(content, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json is damaged"):
        read_json(path)


def test_json_comes_back(tmp_path):
    (tmp_path / "a.json").write_text('{"名": [1, 2.5, null, true]}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"名": [1, 2.5, None, True]}
    with pytest.raises(FileNotFoundError, match=r"there is no file .*b\.json"):
        read_json(tmp_path / "b.json")
