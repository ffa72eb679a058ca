"""Importing the package is cheap, and what it imports is declared."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROBE = """
import json, sys
import numpy, torch
before = set(sys.modules)
import aigc_tutorial
print(json.dumps(sorted(set(sys.modules) - before)))
"""
# Loaded where they are used, never by `import aigc_tutorial`.
HEAVY = {
    "fastapi",
    "httpx",
    "ipywidgets",
    "matplotlib",
    "mlxtend",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "opencc",
    "optuna",
    "pandas",
    "peft",
    "pooch",
    "prometheus_client",
    "sklearn",
    "tensorboard",
    "tokenizers",
    "torchmetrics",
    "torchvision",
    "transformers",
    "uvicorn",
}


def test_import_loads_no_heavy_package_and_no_subpackage() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, cwd=ROOT
    )
    modules = json.loads(result.stdout)
    assert HEAVY.isdisjoint(name.partition(".")[0] for name in modules)
    assert [name for name in modules if name.startswith("aigc_tutorial.")] == []


def test_every_import_of_the_package_is_declared() -> None:
    """A module of another distribution that the package imports is a dependency or in an extra."""
    grimp = pytest.importorskip("grimp", reason="comes with import-linter, of the extra [test]")
    graph = grimp.build_graph("aigc_tutorial", include_external_packages=True, cache_dir=None)
    external = {m for m in graph.modules if not m.startswith("aigc_tutorial")}
    imported = external - set(sys.stdlib_module_names)
    declared = {
        Requirement(line).name.replace("-", "_") for line in requires("aigc_tutorial") or []
    }
    # Under another name than the distribution's, or brought by one that is declared.
    known = {"PIL": "matplotlib", "sklearn": "scikit_learn", "cycler": "matplotlib"}
    known |= {"IPython": "ipykernel", "pydantic": "fastapi", "starlette": "fastapi"}
    assert {name for name in imported if known.get(name, name) not in declared} == set()


def test_every_extra_that_an_error_message_names_exists() -> None:
    """`environment.require` tells how to install what is missing; so the extra must be there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "aigc_tutorial").rglob("*.py")]
    named = {extra for source in sources for extra in re.findall(r'extra="(\w+)"', source)}
    assert named <= set(project["optional-dependencies"])
    assert len(named) > 1
