"""What every measure does with samples of another type, range, size or device."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import pytest
import torch
from torch import Tensor

from aigc_tutorial import ar, data, evaluation
from aigc_tutorial.data import ImageDataset, Source
from tests import second_device
from tests.evaluation import small_inputs as doors

ALL_OF_TWO = doors.OF_TWO_SETS | doors.OF_TWO_FEATURES
BOTH = pytest.mark.parametrize("name", list(ALL_OF_TWO))
IMAGES = pytest.mark.parametrize("name", list(doors.OF_IMAGES))


def same(a: Any, b: Any) -> None:
    """Equal up to rounding, and both off the device; of float64 a distance may be float64."""
    if isinstance(a, Tensor):
        assert a.device.type == b.device.type == "cpu"
        assert not a.requires_grad
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, check_dtype=False)


def test_every_public_measure_is_tried_here():
    tried = {*doors.OF_IMAGES, *doors.OF_TWO_SETS, *doors.OF_TWO_FEATURES, *doors.OF_POINTS}
    elsewhere = {"class_shares", "kl_to_uniform", "jensen_shannon_1d", "random_affine"}
    not_samples = {"samples_per_second", "sequence_likelihood", "text_likelihood"}
    public = {name for name in evaluation.__all__ if name[0].islower()}
    assert public == (tried - {"from_images"}) | elsewhere | not_samples


class TestRange:
    """Images in [0, 1] where [-1, 1] is meant, and bytes."""

    @IMAGES
    def test_images_from_0_to_1(self, name):
        with pytest.raises(ValueError, match=r"must lie in \[-1, 1\].*2 \* images - 1"):
            doors.OF_IMAGES[name]((doors.images() + 1) / 2, doors.classifier())

    @IMAGES
    def test_pixels(self, name):
        pixels = data.images_to_pixels(doors.images())
        for wrong in (pixels, pixels.float()):
            with pytest.raises(ValueError, match="pixels_to_images"):
                doors.OF_IMAGES[name](wrong, doors.classifier())

    @IMAGES
    def test_standardised_images(self, name):
        with pytest.raises(ValueError, match="normalisation"):
            doors.OF_IMAGES[name](2 * doors.images(), doors.classifier())

    @pytest.mark.parametrize("name", list(doors.OF_TWO_SETS))
    def test_two_sets_of_two_ranges(self, name):
        x, y = doors.images(1), doors.images(2)
        for pair in ((x, (y + 1) / 2), ((x + 1) / 2, y)):
            with pytest.raises(ValueError, match="both must have one range"):
                doors.OF_TWO_SETS[name](*pair)
        # Of one range they may be, whichever it is; features may lie anywhere.
        doors.OF_TWO_SETS[name]((x + 1) / 2, (y + 1) / 2)
        doors.OF_TWO_SETS[name](doors.features(1), doors.features(2).abs())


class TestTypes:
    """NumPy arrays, data sets, float64, half precision and gradients are taken; others refused."""

    @IMAGES
    def test_of_images(self, name):
        measure, x = doors.OF_IMAGES[name], doors.images()
        expected = measure(x, doors.classifier())
        dataset = ImageDataset(x, doors.LABELS, Source("embedded", "here", "made up"))
        for other in (x.double(), x.double().numpy(), x.clone().requires_grad_(), dataset):
            same(measure(other, doors.classifier()), expected)

    @BOTH
    def test_of_two(self, name):
        measure, x, y = ALL_OF_TWO[name], doors.features(1), doors.features(2)
        same(measure(x.double(), y.clone().requires_grad_()), measure(x, y))
        same(measure(x.clone().requires_grad_(), y.double()), measure(x, y))
        same(measure(x.half(), y.bfloat16()), measure(x.half().float(), y.bfloat16().float()))

    @BOTH
    def test_refused(self, name):
        measure, x = ALL_OF_TWO[name], doors.features(1)
        with pytest.raises(ValueError, match=r"floating point numbers, got torch\.int64"):
            measure(x.long(), x)
        with pytest.raises(ValueError, match="NaN"):
            measure(torch.where(x > 2, torch.nan, x), x)
        with pytest.raises(ValueError, match="NaN"):
            measure(torch.where(x > 2, -torch.inf, x), x)
        with pytest.raises(ValueError, match="at least one sample"):
            measure(x[:0], x)
        with pytest.raises(ValueError, match="meta device"):
            measure(x.to("meta"), x)

    @pytest.mark.parametrize("name", list(doors.OF_POINTS))
    def test_points(self, name):
        measure, x = doors.OF_POINTS[name], doors.features()
        same(measure(x.numpy()), measure(x))
        same(measure(x.clone().requires_grad_()), measure(x))
        with pytest.raises(ValueError, match="NaN"):
            measure(x * torch.inf)

    def test_numpy_of_any_layout(self):
        x = doors.features()
        array = x.numpy()[::-1].astype(">f8")
        array.flags.writeable = False
        same(evaluation.feature_statistics(array).mean, evaluation.feature_statistics(x).mean)

    @pytest.mark.parametrize("number", [2.5, 0, True])
    def test_counts_that_are_none(self, number):
        x, images, rng = doors.features(), doors.images(), torch.Generator()
        measures: list[tuple[str, Callable[[], Any]]] = [
            ("k", lambda: unwrap(evaluation.nearest_neighbours)(x, x, number)),
            (
                "batch_size",
                lambda: unwrap(evaluation.nearest_neighbours)(x, x, batch_size=number),
            ),
            (
                "batch_size",
                lambda: unwrap(evaluation.predict)(doors.classifier(), images, batch_size=number),
            ),
            (
                "subset_size",
                lambda: unwrap(evaluation.kernel_distance)(x, x, rng=rng, subset_size=number),
            ),
            (
                "n_subsets",
                lambda: unwrap(evaluation.kernel_distance)(
                    x, x, rng=rng, n_subsets=number, subset_size=2
                ),
            ),
        ]
        for name, measure in measures:
            with pytest.raises(ValueError, match=f"^{name} .*must be at least|^{name} must be"):
                measure()

    def test_labels(self):
        shares = evaluation.class_shares(doors.LABELS)
        for other in (doors.LABELS.int(), doors.LABELS.numpy(), doors.LABELS.to(torch.uint8)):
            same(evaluation.class_shares(other), shares)
        for wrong in (doors.LABELS.float(), doors.LABELS[:, None], doors.LABELS > 3):
            with pytest.raises(ValueError, match="whole numbers of shape"):
                evaluation.class_shares(wrong)
        with pytest.raises(ValueError, match="between 0 and 9, got 1 to 10"):
            evaluation.class_shares(doors.LABELS + 1)

    @pytest.mark.parametrize("wrong", [-100, 10])
    def test_labels_that_are_no_class(self, wrong):
        # -100 is what cross-entropy leaves out of the mean without a word.
        labels = doors.LABELS.clone()
        labels[3] = wrong
        for door in (doors._trained, lambda x, y: evaluation.accuracy(doors.classifier(), x, y)):
            with pytest.raises(ValueError, match="labels must lie between 0 and 9"):
                door(doors.images(), labels)

    def test_one_label_is_not_everybodys(self):
        with pytest.raises(ValueError, match="120 images and 1 labels"):
            evaluation.accuracy(doors.classifier(), doors.images(), doors.LABELS[:1])


AROUND: dict[str, Callable[[], Any]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    # Where nothing can be computed; a reader's is a GPU, and the numbers lie on the CPU.
    "default device": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("context", list(AROUND))
class TestAround:
    """What a caller does around a measure is the caller's: it changes no number."""

    @IMAGES
    def test_of_images(self, name, context):
        measure, expected = (
            doors.OF_IMAGES[name],
            doors.OF_IMAGES[name](doors.images(), doors.classifier()),
        )
        network = doors.classifier()
        with AROUND[context]():
            found = measure(doors.images(), network)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)

    @BOTH
    def test_of_two(self, name, context):
        measure = ALL_OF_TWO[name]
        expected = measure(doors.features(1), doors.features(2))
        with AROUND[context]():
            found = measure(doors.features(1), doors.features(2))
        torch.testing.assert_close(found, expected, rtol=0, atol=0)

    def test_a_fresh_classifier_learns(self, context):
        x, y = torch.randn(400, 5, generator=doors.seeded(2)), torch.ones(400, 5)
        y = y + torch.randn(400, 5, generator=doors.seeded(3))
        config = evaluation.TwoSampleConfig(n_samples_shown=6000)
        with AROUND[context]():
            result = evaluation.classifier_two_sample_test(x, y, rng=doors.seeded(), config=config)
        assert result.accuracy > 0.75

    def test_a_radius_is_decided_as_without(self, context):
        x, y = (torch.randn(300, 64, generator=doors.seeded(seed)) for seed in (0, 1))
        expected = evaluation.precision_recall(x, y)
        with AROUND[context]():
            assert evaluation.precision_recall(x, y) == expected

    def test_balls_are_counted_as_without(self, context):
        x, y = (torch.randn(300, 64, generator=doors.seeded(seed)) for seed in (0, 1))
        expected = evaluation.density_coverage(x, y)
        with AROUND[context]():
            assert evaluation.density_coverage(x, y) == expected

    def test_likelihood(self, context):
        torch.manual_seed(0)
        model = ar.WindowModel(ar.WindowConfig(7))
        tokens = torch.randint(7, (200,), generator=doors.seeded())
        expected = evaluation.text_likelihood(model, tokens, context=16)
        with AROUND[context]():
            assert evaluation.text_likelihood(model, tokens, context=16) == expected


class TestDevices:
    """Samples on one device and networks or other samples on another."""

    @pytest.mark.parametrize("name", sorted(set(doors.OF_IMAGES) - {"train_classifier"}))
    def test_network_and_images(self, name):
        measure, x = doors.OF_IMAGES[name], doors.images()
        expected = measure(x, doors.classifier())
        there = second_device.device()
        same(measure(x.to(there), doors.classifier()), expected)
        same(measure(x, doors.classifier().to(there)), expected)
        same(measure(x.to(there), doors.classifier().to(there)), expected)

    def test_training_of_the_classifier(self):
        there = second_device.device()
        expected = doors._trained(doors.images(), doors.LABELS)
        same(doors._trained(doors.images().to(there), doors.LABELS), expected)
        same(doors._trained(doors.images(), doors.LABELS.to(there)), expected)

    @BOTH
    def test_two_sets(self, name):
        measure, x, y = ALL_OF_TWO[name], doors.features(1), doors.features(2)
        expected, there = measure(x, y), second_device.device()
        same(measure(x.to(there), y), expected)
        same(measure(x, y.to(there)), expected)
        same(measure(x.to(there), y.to(there)), expected)

    @pytest.mark.parametrize("name", list(doors.OF_POINTS))
    def test_points(self, name):
        measure, x = doors.OF_POINTS[name], doors.features()
        same(measure(x.to(second_device.device())), measure(x))

    def test_labels_and_shares(self):
        labels = doors.LABELS.to(second_device.device())
        shares = evaluation.class_shares(labels)
        same(shares, evaluation.class_shares(doors.LABELS))
        skewed = torch.arange(1, 11) / 55
        there = skewed.to(second_device.device())
        assert evaluation.kl_to_uniform(there) == evaluation.kl_to_uniform(skewed)

    def test_densities(self):
        points = torch.linspace(-9, 9, 2001)
        log_p, log_q = (-((points - m) ** 2) / 2 - 0.918938533 for m in (0.0, 1.0))
        expected = evaluation.jensen_shannon_1d(log_p, log_q, 0.009)
        there = log_p.to(second_device.device())
        assert evaluation.jensen_shannon_1d(there, log_q, 0.009) == pytest.approx(expected)
        for p, q in ((log_p.numpy(), log_q.tolist()), (log_p.tolist(), log_q.double().numpy())):
            assert evaluation.jensen_shannon_1d(p, q, 0.009) == pytest.approx(expected)

    def test_movements(self):
        moved = [
            evaluation.random_affine(x, doors.SHORT, rng=doors.seeded()).cpu()
            for x in (doors.images(), doors.images().to(second_device.device()))
        ]
        same(*moved)


@IMAGES
def test_every_submodule_keeps_its_own_mode(name):
    network = doors.classifier().train()
    network.body.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    doors.OF_IMAGES[name](doors.images(), network)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_in_another_default_type():
    x, y = doors.images(1), doors.images(2)
    network = doors.classifier()
    measures: list[Any] = [
        lambda: doors.OF_IMAGES["evaluate_digits"](x, network),
        lambda: doors._trained(x, doors.LABELS),
        lambda: doors.OF_TWO_SETS["classifier_two_sample_test"](x, y),
    ]
    torch.set_default_dtype(torch.float64)
    try:
        for measure in measures:
            measure()
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(p.dtype == torch.float32 for p in network.parameters())
