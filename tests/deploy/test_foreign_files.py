"""Files of strangers and of other versions: told in words, and nothing of them is run."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from aigc_tutorial import deploy
from aigc_tutorial.files import sha256_of_file
from tests.ar import small_models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return deploy.export(small_models.make("gpt-2"), tmp_path)


class Surprise:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    edit(values)
    (folder / "manifest.json").write_text(json.dumps(values))


def replace(folder: Path, name: str, content: bytes) -> None:
    """Put another file into an export, with the right sum."""
    (folder / name).write_bytes(content)
    total = sha256_of_file(folder / name)
    edit_manifest(folder, lambda values: values["sha256"].update({name: total}))


def with_entries(path: Path, changed: Callable[[str, bytes], bytes]) -> bytes:
    """An archive with other entries."""
    memory = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(memory, "w") as new:
        for name in old.namelist():
            new.writestr(name, changed(name, old.read(name)))
    return memory.getvalue()


def test_an_archive_that_was_packed_again_is_read(folder):
    replace(folder, "model.pt2", with_entries(folder / "model.pt2", lambda _, content: content))
    tokens = torch.tensor([[1, 2]])
    found = [deploy.load(folder, backend=backend)(tokens) for backend in ("onnx", "torch")]
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("place", ["sample_inputs", "weights", "constants"])
def test_nothing_is_unpickled(folder, place):
    pickled, made = io.BytesIO(), folder / "made"
    torch.save((Surprise(made),), pickled)

    def changed(name: str, content: bytes) -> bytes:
        if name.endswith(".pt") and place == "sample_inputs":
            return pickled.getvalue()
        if name.endswith("weight_0") and place == "weights":
            return pickled.getvalue()
        if name.endswith("weights_config.json") and place == "weights":
            return content.replace(b'"use_pickle": false', b'"use_pickle": true', 1)
        if name.endswith("constants_config.json") and place == "constants":
            entry = {"path_name": "opaque_obj_0", "use_pickle": False, "is_param": False}
            return json.dumps({"config": {"x": {**entry, "tensor_meta": None}}}).encode()
        return content

    replace(folder, "model.pt2", with_entries(folder / "model.pt2", changed))
    with pytest.raises(ValueError, match=r"model\.pt2 cannot be read by torch .*(pickled|tensors)"):
        deploy.load(folder, backend="torch")
    assert not made.exists()
    assert deploy.load(folder)([[1]]).shape == (1, 1, 7)


@pytest.mark.parametrize(("backend", "name"), [("onnx", "model.onnx"), ("torch", "model.pt2")])
@pytest.mark.parametrize("size", [0, 9, -100])
def test_a_file_that_cannot_be_read_is_told(folder, backend, name, size):
    replace(folder, name, (folder / name).read_bytes()[:size])
    with pytest.raises(ValueError, match=f"{name} cannot be read by .*Export the model again"):
        deploy.load(folder, backend=backend)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda values: values["sha256"].update({"../x": "0"}), "'../x', which is none of its"),
        (lambda values: values.update(tokenizer="/etc/hosts"), "'/etc/hosts', which is none"),
        (lambda values: values["graphs"]["model"].update(onnx="../x.onnx"), "'../x.onnx', which"),
        (lambda values: values["sha256"].pop("model.onnx"), "it has no sum of model.onnx"),
        (lambda values: values["graphs"].pop("model"), "it has no graph 'model'"),
    ],
)
def test_a_manifest_that_leads_elsewhere_is_damaged(folder, edit, message):
    edit_manifest(folder, edit)
    with pytest.raises(ValueError, match=f"is damaged: .*{message}"):
        deploy.load(folder)
