"""The report on generated digits, and the reference that it compares to."""

import copy
import json
import math

import pytest
import torch

from aigc_tutorial.evaluation import (
    DigitClassifier,
    DigitClassifierConfig,
    DigitReference,
    DigitReport,
    KernelDistance,
    class_report,
    evaluate_digits,
    feature_statistics,
    frechet_distance,
    predict,
)


def images(n: int, seed: int) -> torch.Tensor:
    """Smooth random images in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 1, 7, 7, generator=generator)
    return torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear").tanh()


@pytest.fixture(scope="module")
def classifier() -> DigitClassifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DigitClassifier(DigitClassifierConfig(widths=(4, 8, 8, 8, 8), n_features=16)).eval()


@pytest.fixture(scope="module")
def reference(classifier: DigitClassifier) -> DigitReference:
    return DigitReference.from_images(classifier, images(400, seed=0), torch.arange(400) % 10)


def test_reference_holds_features_and_their_statistics(classifier, reference):
    features = predict(classifier, images(400, seed=0)).features
    assert len(reference) == 400
    assert torch.equal(reference.features, features.half().float())
    expected = feature_statistics(features)
    torch.testing.assert_close(reference.statistics.mean, expected.mean)
    torch.testing.assert_close(reference.statistics.covariance, expected.covariance)


def test_reference_survives_saving(reference, tmp_path):
    path = tmp_path / "reference.safetensors"
    reference.save(path)
    loaded = DigitReference.load(path)
    assert torch.equal(loaded.features, reference.features)
    assert torch.equal(loaded.labels, reference.labels)
    assert torch.equal(loaded.statistics.covariance, reference.statistics.covariance)
    assert loaded.statistics.n_samples == 400
    assert [file.name for file in tmp_path.iterdir()] == ["reference.safetensors"]


def test_a_reference_is_for_the_classifier_that_computed_it(classifier, reference, tmp_path):
    """The same features of another network mean something else; in bfloat16 it is the same one."""
    digits = images(200, seed=1)
    reference.save(tmp_path / "reference.safetensors")
    loaded = DigitReference.load(tmp_path / "reference.safetensors")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        other = DigitClassifier(classifier.config).eval()
    for known in (reference, loaded):
        for same in (classifier, copy.deepcopy(classifier).bfloat16()):
            evaluate_digits(digits, same, known, n_subsets=1)
        with pytest.raises(ValueError, match="features of another classifier than this one"):
            evaluate_digits(digits, other, known)
        with pytest.raises(ValueError, match="features of another classifier than this one"):
            class_report(digits, torch.arange(200) % 10, other, known)


def test_damaged_and_missing_references_are_told(reference, tmp_path):
    path = tmp_path / "reference.safetensors"
    with pytest.raises(FileNotFoundError, match="no reference at"):
        DigitReference.load(path)
    reference.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a whole digit reference"):
        DigitReference.load(path)


def test_report_on_the_reference_images_themselves(classifier, reference):
    report = evaluate_digits(images(400, seed=0), classifier, reference, n_subsets=5)
    assert (report.n_samples, report.n_reference) == (400, 400)
    assert report.frechet == pytest.approx(0, abs=1e-3)
    assert report.precision == 1.0
    assert report.recall == 1.0
    assert sum(report.class_shares) == pytest.approx(1)


def test_report_agrees_with_its_parts(classifier, reference):
    fake = 0.5 * images(300, seed=1)
    report = evaluate_digits(fake, classifier, reference, n_subsets=5)
    prediction = predict(classifier, fake)
    expected = frechet_distance(feature_statistics(prediction.features), reference.statistics)
    assert report.frechet == expected > 0
    counts = prediction.labels.bincount(minlength=10)
    assert report.class_shares == pytest.approx((counts / 300).tolist())
    assert report.kernel.subset_size == 300
    assert report.kernel.mean > 0


def test_same_images_give_the_same_report(classifier, reference):
    fake = images(300, seed=1)
    first = evaluate_digits(fake, classifier, reference, n_subsets=5)
    assert evaluate_digits(fake, classifier, reference, n_subsets=5) == first


def test_report_is_readable(classifier, reference):
    report = evaluate_digits(images(300, seed=1), classifier, reference, n_subsets=5)
    for text in (str(report), report._repr_markdown_()):
        assert "300 samples against 400 real digits" in text
        assert f"{report.frechet:.2f}" in text
        assert "FID" not in text
    assert json.loads(json.dumps(report.as_dict()))["frechet"] == report.frechet


def test_refusals(classifier, reference):
    with pytest.raises(ValueError, match="got 99 samples, need at least 100"):
        evaluate_digits(images(99, seed=1), classifier, reference)
    with pytest.raises(ValueError, match="2 \\* images - 1"):
        evaluate_digits((images(200, seed=1) + 1) / 2, classifier, reference)
    with pytest.raises(ValueError, match="-1, 1"):
        evaluate_digits(2 * images(200, seed=1), classifier, reference)
    broken = images(200, seed=1)
    broken[7] = math.nan
    with pytest.raises(ValueError, match="784 entries"):
        evaluate_digits(broken, classifier, reference)
    with pytest.raises((ValueError, TypeError)):
        DigitReference.from_images(classifier, images(30, seed=0), torch.arange(29))


def test_a_report_is_shown_line_by_line_with_the_rarest_and_the_commonest_digit():
    shares = (0.1, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0, 0.0)
    report = DigitReport(
        400, 2_000, 3.14159, KernelDistance(2.5, 0.5, 50, 400), 0.9, 0.8, shares, 0.02
    )
    expected = {
        "digit-feature Fréchet distance": "3.14",
        "kernel distance": "2.5 ± 0.5 (50 subsets of 400)",
        "precision": "0.900",
        "recall": "0.800",
        "rarest digit": "8: 0.0%",
        "commonest digit": "1: 30.0%",
        "KL to uniform": "0.0200 nats",
    }
    title, line, *rows = report._repr_markdown_().splitlines()
    assert (title, line) == ("| 400 samples against 2,000 real digits | |", "|:--|:--|")
    assert rows == [f"| {name} | {value} |" for name, value in expected.items()]
    assert [row.split("  ")[1] for row in str(report).splitlines()[1:]] == list(expected)
