"""The command line as a whole: help, examples, errors, and what it costs to ask."""

import errno
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from aigc_tutorial import cli
from aigc_tutorial.cli import commands, parsing, running

ROOT = Path(__file__).resolve().parents[2]
MODULES = {name: importlib.import_module(f"aigc_tutorial.cli.{name}") for name in cli.COMMANDS}
EXAMPLES = [line for module in MODULES.values() for line in module.EXAMPLES]


def in_a_process(code, *, pipe=""):
    """Run Python code, or a pipe that begins with it, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} {pipe}"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_help_names_every_command_and_what_it_is_for(say):
    code, printed, complained = say("--help")
    assert (code, complained) == (0, "")
    for name, text in cli.COMMANDS.items():
        assert f"{name:<8}  {text}" in printed
    assert say("")[1] == say("help")[1] == printed


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_of_a_command_ends_in_its_examples(name, say):
    code, printed, _ = say(f"{name} --help")
    assert code == 0
    assert printed.startswith(f"usage: aigc-tutorial {name}")
    assert printed.rstrip().endswith(MODULES[name].EXAMPLES[-1])
    assert say(f"help {name}")[1] == printed
    assert not {"``", ":func:", ":class:", "Attributes:"} & set(printed.split())


@pytest.mark.parametrize(
    ("line", "title"),
    [("train", "families"), ("train gan", "recipes"), ("search", "recipes"), ("zoo", "actions")],
)
def test_help_says_what_is_chosen_from(line, title, say):
    assert f"\n{title} (aigc-tutorial {line} " in say(f"{line} --help")[1]


@pytest.mark.parametrize("line", [*commands.FIRST_STEPS, *EXAMPLES])
def test_every_example_is_understood(line):
    program, *words = shlex.split(line)
    assert program == "aigc-tutorial"
    assert callable(cli.parse(words).run)


def test_every_example_of_the_readme_is_understood():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line.partition("  #")[0] for line in text.splitlines()]
    lines = [line for line in lines if line.startswith("aigc-tutorial ")]
    assert len(lines) >= 6
    for line in lines:
        assert callable(cli.parse(shlex.split(line)[1:]).run)


def commands_of(text):
    """What follows the program's name in a page's blocks of text: units, launchers, plain lines."""
    blocks = re.findall(r"^```(?:text|ini|bash|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = (re.search(r"(?:^|/)aigc-tutorial (.+)|-m aigc_tutorial (.+)", line) for line in lines)
    return [match[1] or match[2] for match in found if match]


def test_every_command_of_a_page_is_understood():
    notebook = json.loads((ROOT / "book/05_5_engineering.ipynb").read_text(encoding="utf-8"))
    cells = [c for c in notebook["cells"] if c["cell_type"] == "markdown"]
    found = commands_of("\n".join("".join(cell["source"]) for cell in cells))
    assert len(found) == 4
    assert {line.split()[0] for line in found} == {"search", "serve", "train"}
    for line in found:
        assert callable(cli.parse(shlex.split(line)).run)


def test_help_loads_neither_torch_nor_the_parser():
    """Asking costs a tenth of a second, not the seconds of `import torch`."""
    result = in_a_process(
        "import sys; from aigc_tutorial import cli; cli.main(['--help']); "
        "print({'torch', 'numpy.random', 'tyro'} & set(sys.modules), file=sys.stderr)"
    )
    assert (result.returncode, result.stderr) == (0, "set()\n")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "smaple x",  # codespell:ignore smaple
            "there is no command 'smaple' (did you mean sample?); aig",  # codespell:ignore smaple
        ),
        (
            "zoo shwo x",  # codespell:ignore shwo
            "aigc-tutorial zoo has no action 'shwo' (did you mean show?)",  # codespell:ignore shwo
        ),
        ("zoo show mnist-con-gan", "the zoo has no 'mnist-con-gan' (did you mean mnist-conv-gan"),
        ("zoo show", "NAME must be given. aigc-tutorial zoo show --help lists what there is"),
        ("zoo train mnist-pixelcnn --large", "--large is for the GANs, not for mnist-pixelcnn"),
        ("sample nothing", "'nothing' is no folder here and no model of the zoo; the zoo has"),
        ("sample mnist-conv-gan --m 3", "there is no --m, 3. aigc-tutorial sample --help lists"),
        ("sample mnist-conv-gan --n 0", "--n must be at least 1, got 0. aigc-tutorial sample"),
        ("sample mnist-conv-gan --n two", "Error parsing --n: "),
        ("sample mnist-conv-gan --temperature -1", "temperature must be a finite number, 0 "),
        ("train", "aigc-tutorial train needs a family: gan, ar; for example"),
        ("train gan mnist-conv", "--folder must be given. aigc-tutorial train gan mnist-conv --h"),
        ("train gan mnist-conv --folder x --n-image 3", "there is no --n-image, 3; did you mean"),
        ("train gan mnist-conv --folder x --loss foo", "invalid choice 'foo' for argument '--loss"),
        ("train gan mnist-conv --folder x --n-images 0", "n_images must be at least 1, got 0"),
        ("sample mnist-conv-gan --seed -1", "--seed must be at least 0 and below 2**62, got -1"),
        (f"zoo train mnist-mlp-gan --seed {2**62}", "--seed must be at least 0 and below 2**62"),
        (f"train ar bytes --folder x --seed {2**62}", "--seed must be at least 0 and below 2**62"),
        (
            "train ar bytes --folder x --n-tokens 1.5",
            "Error parsing --n-tokens: no whole number: '",
        ),
        ("train ar bytes --folder x --n-tokens 1e5x", "Error parsing --n-tokens: no whole number"),
        ("train ar bytes --folder x --n-tokens inf", "Error parsing --n-tokens: no whole number"),
        ("search bytes --folder x --seed -1", "--seed must be at least 0 and below 2**62, got -1"),
        ("data fetch cifar", "there is no data set 'cifar'; there are mnist, shakespeare, tang"),
    ],
)
def test_what_there_is_not_is_told_in_a_line_with_code_2(line, sentence, say):
    code, printed, complained = say(line)
    assert (code, printed) == (2, "")
    assert complained.startswith(f"aigc-tutorial: {sentence}")
    assert complained.count("\n") == 1


def test_a_whole_number_may_be_written_with_an_exponent():
    command: Any = cli.parse(
        ["train", "gan", "mnist-conv", "--folder", "x", "--n-images", "6e4", "--seed", "12"]
    )
    assert (command.training.n_images, command.run_options.seed) == (60_000, 12)
    given: Any = cli.parse(
        ["sample", "mnist-conditional-gan", "--labels", "3", "1e0", "4", "--n", "1e1"]
    )
    assert (given.labels, given.n) == ((3, 1, 4), 10)
    named: Any = cli.parse(["sample", "runs/text", "--prompt", "1e5"])
    assert named.prompt == "1e5"


class Failing:
    def __init__(self, error):
        self.error = error

    def run(self):
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ValueError("this is wrong."), 1, "aigc-tutorial: this is wrong.\n"),
        (KeyError("The zoo has no x."), 1, "aigc-tutorial: The zoo has no x.\n"),
        (OSError("the disk is full"), 1, "aigc-tutorial: the disk is full\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "aigc-tutorial: the disk is full ([Errno 28] No space left on device); make room, and "
            "give the same command again.",
        ),
        (FloatingPointError("loss is nan"), 1, "aigc-tutorial: loss is nan\n"),
        (RuntimeError(), 1, "aigc-tutorial: RuntimeError, without a message; --debug shows wh"),
        (MemoryError(), 1, "aigc-tutorial: there is not enough memory for this (MemoryError); end"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried\nException raised"),
            1,
            "aigc-tutorial: there is not enough memory for this (DefaultCPUAllocator: can't "
            "allocate memory: you tried); end other programs",
        ),
        (KeyboardInterrupt(), 130, "aigc-tutorial: stopped\n"),
    ],
)
def test_what_could_not_be_done_is_told_in_a_line(error, code, told, monkeypatch, say):
    monkeypatch.setattr(running, "parse", lambda words: Failing(error))
    found, printed, complained = say("anything")
    assert (found, printed) == (code, "")
    assert complained.startswith(told)
    assert "Traceback" not in complained


@pytest.mark.parametrize("system", ["Windows", "Linux"])
def test_on_windows_a_file_gets_every_letter(system, monkeypatch):
    class Writes:
        def run(self):
            print("白日依山盡 ×")

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr(running, "parse", lambda words: Writes())
    code = cli.main(["anything"])
    sys.stdout.flush()
    found = written.getvalue().decode()
    assert (code, found.strip()) == ((0, "白日依山盡 ×") if system == "Windows" else (1, ""))


def test_a_missing_parser_is_told_with_the_command_that_installs_it(monkeypatch, say):
    monkeypatch.setitem(sys.modules, "tyro", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, complained = say("zoo show mnist-conv-gan")
    assert code == 1
    assert "tyro is needed here and is not installed. Install it with:" in complained
    assert "aigc_tutorial[cli]" in complained


def test_debug_shows_the_traceback_too(monkeypatch, say):
    monkeypatch.setattr(running, "parse", lambda words: Failing(ValueError(f"got {words}")))
    _, _, complained = say("train --debug gan")
    assert complained.startswith("Traceback")
    assert complained.endswith("aigc-tutorial: got ['train', 'gan']\n")


def test_a_fault_of_ours_is_not_told_as_the_readers(monkeypatch):
    monkeypatch.setattr(running, "parse", lambda words: Failing(AssertionError("ours")))
    with pytest.raises(AssertionError, match="ours"):
        cli.main(["anything"])


def test_a_warning_is_a_line(monkeypatch, say):
    class Warns:
        def run(self):
            warnings.warn("less data", stacklevel=1)

    monkeypatch.setattr(running, "parse", lambda words: Warns())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert say("anything") == (0, "", "aigc-tutorial: note: less data\n")


@pytest.mark.skipif(os.name != "posix", reason="a pipe of a shell")
def test_a_broken_pipe_is_silent():
    code = "from aigc_tutorial import cli; raise SystemExit(cli.main(['--help']))"
    result = in_a_process(code, pipe="| true")
    assert result.stderr == ""
    assert result.returncode in (0, 141)  # 0 if all was written before nobody read


def test_a_long_output_to_nobody_ends_with_the_code_of_a_broken_pipe():
    code = (
        "import sys; from aigc_tutorial.cli import running\n"
        "class Long:\n    def run(self):\n        for _ in range(10**5): print('x' * 100)\n"
        "running.parse = lambda words: Long()\n"
        "raise SystemExit(running.main(['x']))"
    )
    result = in_a_process(code, pipe="| head -n 1")
    assert (result.returncode, result.stderr) == (141, "")


def test_python_m_is_the_same_command():
    result = in_a_process(
        "import runpy, sys; sys.argv = ['x', '--version']; "
        "runpy.run_module('aigc_tutorial', run_name='__main__')"
    )
    assert result.returncode == 0
    assert result.stdout.startswith("aigc-tutorial 0.")


def test_the_entry_point_is_this_command():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'aigc-tutorial = "aigc_tutorial.cli:main"' in text


def test_help_hides_nothing_of_the_reference_pages_for_ever():
    from aigc_tutorial.gan import GANTrainingConfig

    before = GANTrainingConfig.__doc__
    with pytest.raises(parsing.HelpShown):
        cli.parse(["train", "gan", "mnist-conv", "--help"])
    assert GANTrainingConfig.__doc__ == before
    assert before is not None
    assert ":func:`" in before
