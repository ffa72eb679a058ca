"""A reference of digits comes back from its file as it was, whatever its size."""

import pytest
import torch

from aigc_tutorial.evaluation import DigitReference, feature_statistics


def reference(features: torch.Tensor, labels: torch.Tensor) -> DigitReference:
    return DigitReference(features, labels, feature_statistics(features))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_features_of_any_size(tmp_path, scale):
    features = scale * torch.rand(300, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(300)
    reference(features, labels).save(tmp_path / "r.safetensors")
    loaded = DigitReference.load(tmp_path / "r.safetensors")
    torch.testing.assert_close(loaded.features, features, rtol=1e-3, atol=1e-6 * scale)
    assert torch.equal(loaded.labels, labels)


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    made = reference(torch.rand(30, 4), torch.arange(30) % 10)
    made.save("~/r.safetensors")
    assert len(DigitReference.load("~/r.safetensors")) == 30
