"""Every command of the project, on every system. ``python tools/tasks.py`` prints the list.

``make`` calls it; where there is no make, on Windows above all, it is called by itself. It needs
nothing but Python, for it makes the environment in which all else runs. A task takes its arguments
from the command line, or from the variable that its line in the list names, as make passes them:
``python tools/tasks.py unit -k frechet`` and ``make unit PYTEST_ARGS="-k frechet"`` are the same.
"""

import sys

# Before anything that an older Python could not run: this file is what tells it.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "Python 3.11 to 3.13 is needed, and {} is Python {}.{}. {} another one: "
        "make PYTHON=python3.12".format(
            sys.executable,
            *sys.version_info[:2],
            "Delete .venv, which it is in; then name" if sys.prefix.endswith(".venv") else "Name",
        )
    )

import inspect
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(BIN / ("python.exe" if os.name == "nt" else "python"))
STAMP = VENV / ".installed"
RECIPE = (ROOT / "pyproject.toml", ROOT / "constraints.txt")
NEWEST_PYTHON = (3, 13)
EXTRAS = "apps,book,chinese,cli,export,search,serve,test,track"
# What is read for misspelt words; the words that are meant stand in pyproject.toml.
SPELT = ("aigc_tutorial", "benchmarks", "book", "tests", "tools", "README.md", "CONTRIBUTING.md")
UNIT = "not built and not browser and not network"
FIRST_CALL = """\
The first call installs Python packages into .venv, by uv where there is uv (1 minute), else by pip
(3 minutes). On Linux they take 7 GB, with PyTorch's GPU libraries; UV_TORCH_BACKEND=cpu leaves
these away, where uv installs: about 2 GB."""
# One page is run on one core, which leaves the other to lint.
STAGES = ("widgets+lint", "unit", "notebooks", "book", "built")
COMPILE = (
    "import compileall, sysconfig; "
    "compileall.compile_dir(sysconfig.get_path('purelib'), quiet=2, workers=0)"
)


def call(*command: str, setting: Mapping[str, str | None] | None = None) -> None:
    """Run a command in the repository's folder, with variables set or (None) taken away.

    Raises:
        SystemExit: with its status, if it fails; it has said why.
    """
    environment = dict(os.environ)
    for name, value in (setting or {}).items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    if status := subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        sys.exit(status)


def run(script: str, *arguments: str, setting: Mapping[str, str | None] | None = None) -> None:
    """Run a Python script of the repository in the environment."""
    call(PYTHON, script, *arguments, setting=setting)


def pytest(*arguments: str, setting: Mapping[str, str | None] | None = None) -> None:
    """Run tests on two cores, each with one thread of torch's."""
    one_thread = {"OMP_NUM_THREADS": "1"}
    call(PYTHON, "-m", "pytest", "-n", "2", *arguments, setting=one_thread | dict(setting or {}))


def as_a_stranger() -> dict[str, str | None]:
    """What makes a page run as on a stranger's machine: no download, no data, an empty cache."""
    return {
        "AIGC_TUTORIAL_DATA": None,
        "AIGC_TUTORIAL_OFFLINE": "1",
        "AIGC_TUTORIAL_CACHE": str(ROOT / ".cache" / "stranger"),
    }


def install_with(python: str, *arguments: str) -> None:
    """Install into an interpreter's environment: by uv where there is uv, else by pip.

    uv does not read pip's settings, a mirror's address for example, so pip tries what uv cannot.
    """
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", python, *arguments]
        try:
            if subprocess.run(command, cwd=ROOT, check=False).returncode == 0:
                compile_modules(python)
                return
        except OSError as error:
            print(error)
        print("uv could not install them; pip tries.", flush=True)
    # There is none in what uv has made, nor where the making was interrupted.
    if subprocess.run([python, "-c", "import pip"], stderr=subprocess.DEVNULL).returncode:
        call(python, "-m", "ensurepip")
    call(python, "-m", "pip", "install", "--quiet", *arguments)


def compile_modules(python: str) -> None:
    """Compile what uv installed, as pip does, where Python is told to keep no bytecode.

    Elsewhere the first import does it. With PYTHONDONTWRITEBYTECODE every process would compile all
    that it imports once more: of torch and matplotlib alone 3 seconds.
    """
    if sys.dont_write_bytecode:
        call(python, "-c", COMPILE)


def install_packages(extras: str) -> None:
    """Install this package into its environment with what it needs."""
    install_with(PYTHON, "--constraint", "constraints.txt", "--editable", f".[{extras}]")


def install() -> None:
    """Make the environment and fill it, unless it is newer than what it is made from."""
    there = Path(PYTHON).exists()
    if there and STAMP.exists():
        if (made_in := STAMP.read_text(encoding="utf-8")) not in ("", str(VENV)):
            sys.exit(f"{VENV} was made as {made_in}, and works there alone. Delete it; try again.")
        if all(STAMP.stat().st_mtime >= file.stat().st_mtime for file in RECIPE):
            return
    if not os.access(ROOT, os.W_OK):
        sys.exit(f"{ROOT} cannot be written, and {VENV.name} is made in it.")
    within = Path(sys.prefix) == VENV
    if sys.version_info[:2] > NEWEST_PYTHON and (within or not there):
        sys.exit(
            f"Python 3.11 to 3.13 is needed, and {sys.executable} is Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}. "
            f"{'Delete .venv, which it is in; then name' if within else 'Name'} another one: "
            "make PYTHON=python3.12"
        )
    if not there:
        print(f"Making a virtual environment in {VENV.name}", flush=True)
        # One whose Python was taken from the system is cleared away.
        command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
        if subprocess.run(command, check=False).returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            sys.exit("Could not make it. On Debian and Ubuntu: apt install python3-venv")
    told = "1 minute, by uv" if shutil.which("uv") else "3 minutes, by pip; 1 where there is uv"
    print(f"Installing the packages of constraints.txt (the first time: {told})", flush=True)
    install_packages(EXTRAS)
    STAMP.write_text(str(VENV), encoding="utf-8")


def book() -> None:
    """Execute the pages that changed, and render the book."""
    run("tools/build_book.py", setting=as_a_stranger() | {"PYTHONPATH": "book/_ext"})


def test() -> None:
    """Run all stages and say what each did; no variable that was set for one narrows it."""
    run("tools/run_stages.py", *STAGES, setting={task.variable: None for task in TASKS.values()})


def lint() -> None:
    """Everything that reads the code and does not run it."""
    call(tool("ruff"), "format", "--check", ".")
    call(tool("ruff"), "check", ".")
    call(tool("codespell"), *SPELT)
    call(tool("mypy"))
    call(tool("lint-imports"))


def unit(*arguments: str) -> None:
    """Tests that need no book."""
    pytest("-m", UNIT, "--durations=10", *arguments)


def notebooks(*arguments: str) -> None:
    """Each notebook cell by cell, on the real data where they are."""
    real = os.environ.get("AIGC_TUTORIAL_DATA")
    pytest(
        *("--dist", "loadscope", "-p", "notebook_report", "-p", "no:cacheprovider"),
        *("--override-ini", "testpaths=book", "--override-ini", "timeout=0"),
        *("--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=900", "book", *arguments),
        setting={"AIGC_TUTORIAL_OFFLINE": "1"} if real else as_a_stranger(),
    )


def full(*pages: str) -> None:
    """Pages on the real data."""
    run("tools/run_pages.py", "full", *pages, "--workers", "2", setting={"OMP_NUM_THREADS": "1"})


def colab(*pages: str) -> None:
    """Pages with Colab's packages."""
    run("tools/colab_environment.py", *pages, setting=as_a_stranger())


def widgets() -> None:
    """One page of those that have widgets."""
    colab("04_2_2_ar_math")


def built(*arguments: str) -> None:
    """Tests of the built book."""
    if not (ROOT / "_build" / "html" / "index.html").exists():
        sys.exit("There is no built book. Run: make book")
    call(
        *(PYTHON, "-m", "pytest", "-n", "2", "-m", "built or browser"),
        *("tests/book", "tests/browser", *arguments),
    )


def kills() -> None:
    """Trainings that are killed."""
    run("benchmarks/kill_runs.py", "--runs", "50", setting={"OMP_NUM_THREADS": "1"})


def lab() -> None:
    """The notebooks in JupyterLab."""
    print("JupyterLab opens in your browser; the notebooks are in book/. Stop it with Ctrl-C.")
    call(tool("jupyter"), "lab", "--notebook-dir=.", "--LabApp.default_url=/lab/tree/book")


def serve(port: str = "8000") -> None:
    """The book over HTTP, on this machine alone."""
    try:
        socket.create_server(("127.0.0.1", int(port))).close()
    except (ValueError, OverflowError, OSError) as error:
        sys.exit(f"The port {port} cannot be had ({error}). Name another one: make serve PORT=8001")
    book()
    print(f"The book is at http://127.0.0.1:{port}/ - stop it with Ctrl-C.", flush=True)
    folder = ("--directory", "_build/html")
    call(PYTHON, "-m", "http.server", port, "--bind", "127.0.0.1", *folder)


def tidy() -> None:
    """Bring code and notebooks into their committed form."""
    call(tool("ruff"), "check", "--fix-only", "--quiet", ".")
    call(tool("ruff"), "format", ".")
    run("tools/clean_notebooks.py")


def budgets(*pages: str) -> None:
    """Time and memory of pages."""
    run("tools/measure_budgets.py", *pages)


def pictures() -> None:
    """The README's pictures."""
    run("tools/make_pictures.py")


def diagrams() -> None:
    """Drawings of the book's diagrams."""
    run("tools/draw_diagrams.py")


def mutants(part: str = "gan", digits: str = "") -> None:
    """Small changes that a test should notice."""
    install_packages("mutation")
    run("benchmarks/mutants.py", part, "--digits", digits or os.environ.get("DIGITS", "0-9"))


def lock() -> None:
    """The exact versions that are installed."""
    run("tools/lock.py")


def clean() -> None:
    """Take away what was built; the environment stays."""
    for folder in ("_build", ".cache"):
        shutil.rmtree(ROOT / folder, ignore_errors=True)


def tool(name: str) -> str:
    """The path of a command that the environment brings."""
    return shutil.which(name, path=str(BIN)) or str(BIN / name)


def show() -> None:
    """Print the list of tasks."""
    print("Usage: make TASK, or: python tools/tasks.py TASK [ARGUMENT ...]\n")
    for name, task in TASKS.items():
        print(f"{name:<11} {task.what}")
    print(f"\n{FIRST_CALL}")


@dataclass(frozen=True)
class Task:
    """What the list says of it, and the variable by which make hands it its arguments."""

    what: str
    run: Callable[..., None]
    variable: str = ""
    needs_environment: bool = True


TASKS = {
    "help": Task("Print this list", show, needs_environment=False),
    "install": Task("Make the virtual environment .venv (nothing when it is up to date)", install),
    "book": Task(
        "Execute the notebooks and render the book to _build/html (about 20 minutes on two cores; "
        "under 1 minute when nothing changed)",
        book,
    ),
    "test": Task(
        "Lint, types, floors, unit tests, notebooks, one with widgets also as on Colab, book, "
        "browser (about 50 minutes; the summary comes last)",
        test,
    ),
    "lab": Task("Open the notebooks in JupyterLab; stop it with Ctrl-C", lab),
    "serve": Task(
        "Build the book and show it at http://127.0.0.1:8000 (PORT=8001 for another port)",
        serve,
        "PORT",
    ),
    "format": Task("Format code and notebooks and mend what lint can mend (5 seconds)", tidy),
    "lint": Task(
        "Check format, lint, spelling, types and the floors between subpackages (1 minute)", lint
    ),
    "unit": Task(
        'Run the unit tests (8 minutes on two cores); PYTEST_ARGS="-k name" chooses',
        unit,
        "PYTEST_ARGS",
    ),
    "notebooks": Task(
        "Run every notebook cell by cell within 4 GB, on the real data where AIGC_TUTORIAL_DATA is "
        "set (14 minutes)",
        notebooks,
        "PYTEST_ARGS",
    ),
    "full": Task(
        "Run the pages that load data on the real data, within 4 GB (4 minutes; "
        'PAGES="05_4_results" for others)',
        full,
        "PAGES",
    ),
    "colab": Task(
        'Run the pages with Colab\'s own versions of the packages (10 minutes; PAGES="widgets" or '
        "names for some)",
        colab,
        "PAGES",
    ),
    "widgets": Task(
        "Run one page with widgets as `make colab` does, which takes PAGES=widgets for all of them "
        "(2 minutes)",
        widgets,
    ),
    "built": Task("Test the built book, also in Chromium (10 minutes)", built, "PYTEST_ARGS"),
    "kills": Task(
        "Kill fifty training runs at random moments and compare them with runs left alone "
        "(4 minutes)",
        kills,
    ),
    "budgets": Task(
        "Measure each page's time and memory without and with the real data (15 minutes; "
        'PAGES="05_4_results" for some)',
        budgets,
        "PAGES",
    ),
    "pictures": Task(
        "Draw the README's pictures from the zoo's weights to book/_static (1 minute)", pictures
    ),
    "diagrams": Task(
        "Draw the diagrams that have no drawing yet, with Chromium, to book/_diagrams (10 seconds)",
        diagrams,
    ),
    "mutants": Task(
        "Change a subpackage in small ways and see which the tests miss (an hour; PART=gan "
        "DIGITS=3 for a tenth of gan)",
        mutants,
        "PART",
    ),
    "lock": Task(
        "Write constraints.txt and environment.yml from what is installed and pyproject.toml "
        "(1 second)",
        lock,
    ),
    "clean": Task(
        "Delete the built book and the cached outputs; .venv stays", clean, needs_environment=False
    ),
}


def split(text: str) -> list[str]:
    """Take the value of a variable apart as a shell does; on Windows a backslash is no sign of it.

    Raises:
        ValueError: a quotation is not closed.
    """
    words = shlex.shlex(text, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    if os.name == "nt":
        words.escape = ""
    return list(words)


def main(name: str = "help", *arguments: str) -> None:
    """Do one task.

    Raises:
        SystemExit: with a status, if there is no such task or it fails.
    """
    if name in ("-h", "--help"):
        name = "help"
    if name not in TASKS:
        sys.exit(f"There is no task {name}; there are: {', '.join(TASKS)}.")
    task = TASKS[name]
    text = os.environ.get(task.variable, "") if task.variable else ""
    try:
        given = arguments or tuple(split(text))
    except ValueError as error:
        sys.exit(f"{task.variable} is {text}, which cannot be taken apart: {error}.")
    if given and not task.variable:
        sys.exit(f"The task {name} takes no argument, got: {' '.join(given)}")
    try:
        inspect.signature(task.run).bind(*given)
    except TypeError:
        sys.exit(f"The task {name} takes fewer arguments, got: {' '.join(given)}")
    if task.needs_environment:
        install()
    task.run(*given)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
