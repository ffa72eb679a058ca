"""A wrong input to an exported model is told at the door, in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aigc_tutorial import deploy
from tests.second_device import is_possible


@pytest.fixture(scope="module")
def generator(exported: Callable[[str], tuple[Any, Path]]) -> deploy.Exported:
    return deploy.load(exported("mnist-conditional-gan")[1])


@pytest.fixture(scope="module")
def reader(exported: Callable[[str], tuple[Any, Path]]) -> deploy.Exported:
    return deploy.load(exported("shakespeare-characters")[1])


def test_tensors_arrays_and_lists_are_the_same_by_place_or_by_name(generator, rng):
    z = torch.randn(2, 64, generator=rng)
    images = generator(z, [3, 4])
    assert images.shape == (2, 1, 28, 28)
    assert torch.equal(generator(z.numpy(), np.array([3, 4], dtype=np.uint8)), images)
    assert torch.equal(generator(labels=torch.tensor([3, 4]), z=z), images)


def test_it_says_what_it_takes_and_gives(generator):
    expected = "Exported ConvGenerator(z: float32 (batch, 64), labels: int64 (batch)) -> images"
    assert repr(generator).startswith(expected)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((), "expected z, labels, each once, got 0 by place"),
        ((torch.zeros(1, 64), [0], [0]), "got 3 by place"),
        ((torch.zeros(1, 64, dtype=torch.float64), [0]), r"float64; convert it: z\.float\(\)"),
        ((np.zeros((1, 64)), [0]), r"float64; convert it: z\.astype\('float32'\)"),
        ((torch.zeros(1, 64, dtype=torch.int64), [0]), "as float32, got int64"),
        (("noise", [0]), "as numbers"),
        ((torch.zeros(64), [0]), r"z of shape \(batch, 64\), got \(64,\)"),
        ((torch.zeros(1, 63), [0]), r"z of shape \(batch, 64\), got \(1, 63\)"),
        ((torch.zeros(0, 64), []), "1 to 65536 along axis 0 .*, got 0"),
        ((torch.full((1, 64), torch.nan), [0]), "z holds NaN"),
        ((np.ma.masked_all((1, 64), np.float32), [0]), "z has 64 masked entries"),
        ((torch.zeros(2, 64), [0]), r"labels of shape \(2\), got \(1,\)"),
        ((torch.zeros(1, 64), [10]), "labels must lie in 0 … 9, got 10 … 10"),
        ((torch.zeros(1, 64), [0.0]), "labels as whole numbers"),
    ],
)
def test_a_wrong_input_is_told(generator, inputs, message):
    with pytest.raises(ValueError, match=message):
        generator(*inputs)


def test_names_are_looked_at(generator):
    with pytest.raises(ValueError, match="got 1 by place and latents by name"):
        generator(torch.zeros(1, 64), latents=[0])
    with pytest.raises(ValueError, match="each once"):
        generator(torch.zeros(1, 64), [0], z=torch.zeros(1, 64))
    with pytest.raises(ValueError, match="no graph 'step'; this export has"):
        generator.run("step")


def test_tokens_outside_the_vocabulary_or_past_the_context_are_told(reader):
    with pytest.raises(ValueError, match="tokens must lie in 0 … 64, got 0 … 65"):
        reader([[0, 65]])
    with pytest.raises(ValueError, match=r"1 to 128 along axis 1 \(time\), got 129; keep the last"):
        reader(torch.zeros(1, 129, dtype=torch.int64))
    state = reader.run("model", torch.zeros(1, 128, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"1 to 127 along axis 0 \(past\), got 128"):
        reader.run("step", [0], state["cache"], state["embeddings"][-3:])


@pytest.mark.skipif(not is_possible(), reason="needs a second device")
def test_an_input_on_another_device_is_told(generator):
    from tests.second_device import device

    with pytest.raises(ValueError, match=r"runs on the processor: z\.cpu\(\)"):
        generator(torch.zeros(1, 64).to(device()), [0])


def test_a_folder_without_an_export_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a folder written by deploy\.export"):
        deploy.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "no manifest of this layout"),
        ('{"format": "aigc_tutorial.deploy/1"}', "damaged: 'graphs'"),
        ('{"format": "aigc_tutorial.deploy/1", "graphs": {"model": {}}}', "damaged"),
        ("[]", "expected a JSON object"),
    ],
)
def test_a_damaged_manifest_is_told(tmp_path, text, message):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        deploy.load(tmp_path)


def test_a_damaged_or_missing_file_is_told(exported, tmp_path):
    _, folder = exported("mnist-conditional-gan")
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"model\.onnx is damaged or of another export"):
        deploy.load(tmp_path)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(FileNotFoundError, match=r"no .*model\.onnx; export the model again"):
        deploy.load(tmp_path)


def test_an_unknown_backend_is_told(exported):
    with pytest.raises(ValueError, match="backend must be"):
        deploy.load(exported("mnist-conditional-gan")[1], backend="tensorrt")
