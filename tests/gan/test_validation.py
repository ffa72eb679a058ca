"""What a GAN is chosen by on the way: real digits that it does not learn from."""

import functools
import inspect
from typing import Any

import pytest
import torch

from aigc_tutorial import adaptation, data, gan, zoo
from aigc_tutorial.evaluation import DigitReference, class_report, frechet_distance
from aigc_tutorial.evaluation import feature_statistics as statistics
from aigc_tutorial.gan import digit_distance
from aigc_tutorial.gan.recipes import MNIST_MLP
from aigc_tutorial.training.checkpoint import name_of
from aigc_tutorial.training.validation import places_of_validation

SHAPE = (1, 4, 4)
CONFIG = gan.GANTrainingConfig(n_images=160, batch_size=16)


@pytest.fixture(scope="module")
def classifier():
    return zoo.load("mnist-classifier")


@pytest.fixture(scope="module")
def reference(classifier):
    digits = data.mnist_sample()
    return DigitReference.from_images(classifier, digits.images[-800:], digits.labels[-800:])


class Copyist(gan.ConvGenerator):
    """Draws real digits: as they come, or of the class that is asked for, or does not listen."""

    listens = True
    digits = data.mnist_sample()

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        images = self.digits.images[: len(z)]  # of the classes 0, 1, … 9 in turn
        return images if labels is None or self.listens else images.flip(0)


def copyist(n_classes: int | None) -> Copyist:
    return Copyist(gan.ConvGeneratorConfig(channels=(8, 4), n_classes=n_classes))


def test_digits_as_the_real_ones_are_near_and_noise_is_far(classifier, reference):
    distance: Any = functools.partial(
        digit_distance, classifier=classifier, reference=reference, n_samples=1_000
    )
    near = distance(copyist(None))
    assert near == pytest.approx(
        frechet_distance(
            statistics(classifier.features(data.mnist_sample().images[:1_000])),
            reference.statistics,
        ),
        rel=1e-3,
    )
    deaf = copyist(10)
    deaf.listens = False
    untrained, _ = MNIST_MLP.networks()
    assert near < 30 < 300 < distance(untrained)
    assert distance(untrained) == distance(untrained)
    # With classes a generator must listen: the same digits under other labels are far.
    assert distance(copyist(10)) < 30 < 300 < distance(deaf)
    labels = torch.arange(1_000) % 10
    images = data.mnist_sample().images[:1_000]
    report = class_report(images, labels, classifier, reference)
    assert distance(copyist(10)) == pytest.approx(report.frechet, rel=1e-6)
    with pytest.raises(ValueError, match="must exceed that of the 64 features"):
        distance(copyist(10), n_samples=640)


def networks() -> tuple[gan.MLPGenerator, gan.MLPDiscriminator]:
    torch.manual_seed(0)
    generator = gan.MLPGenerator(gan.MLPGeneratorConfig(4, SHAPE, hidden=(8,)))
    return generator, gan.MLPDiscriminator(gan.MLPDiscriminatorConfig(SHAPE, hidden=(8,)))


def mean(generator: gan.Generator) -> float:
    return float(generator.sample(100, rng=torch.Generator().manual_seed(0)).mean())


def train(**options: Any) -> gan.GANTrainingResult:
    rows = torch.rand(64, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    given: dict[str, Any] = {"config": CONFIG, "progress_bar": False}
    return gan.train(*networks(), rows, **given | options)


def test_the_averaged_generator_is_measured_on_the_way_and_nothing_is_changed_by_it():
    plain = train()
    watched = train(validation=mean, validate_every=50, snapshots_at=[0, 160])
    assert watched.validation["n_images"] == [64, 112, 160]  # the steps after 50, 100, 150
    assert watched.validation["loss"][-1] == mean(watched.generator)
    assert len(set(watched.validation["loss"])) == 3
    assert sorted(watched.snapshots) == [0, 160]
    assert dict(watched.history) == dict(plain.history)
    assert torch.equal(*(torch.cat([p.flatten() for p in r.generator.parameters()])
                         for r in (plain, watched)))  # fmt: skip
    assert list(plain.validation) == []
    assert train(validation=mean).validation["n_images"] == [160]


def test_a_validated_training_goes_on_with_what_it_measured(tmp_path):
    def stopping(generator: gan.Generator) -> float:
        if stops and len(stops.pop()) == 0:
            raise KeyboardInterrupt
        return mean(generator)

    stops = ["", "x", "x"]  # in the third
    options: dict[str, Any] = {"checkpoint_folder": tmp_path, "checkpoint_every": 32}
    with pytest.raises(KeyboardInterrupt):
        train(validation=stopping, validate_every=50, **options)
    stops.clear()
    resumed = train(validation=stopping, validate_every=50, **options)
    whole = train(validation=mean, validate_every=50)
    assert dict(resumed.validation) == dict(whole.validation)
    for change in ({"validate_every": 40}, {"validation": None}, {"validation": min}):
        given = {"validation": stopping, "validate_every": 50} | change
        with pytest.raises(ValueError, match="validat"):
            train(**given, **options)


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        (3.0, TypeError, "must be a function that takes the model"),
        (lambda generator: "good", ValueError, "held-out loss, a number, got str"),
        (lambda generator: float("nan"), FloatingPointError, "after 160 images .* measured nan"),
    ],
)
def test_a_validation_returns_a_number(validation, error, message):
    unchecked: Any = inspect.unwrap(places_of_validation)  # as where no types are checked
    with pytest.raises(error, match=message):
        _ = unchecked(validation, None, 160) and train(validation=validation)
    with pytest.raises(ValueError, match="validate_every must be"):
        train(validation=mean, validate_every=0)


def test_a_validation_by_other_digits_is_another_one(classifier, reference):
    digits = data.mnist_sample()
    other = DigitReference.from_images(classifier, digits.images[:800], digits.labels[:800])
    names = [
        name_of(functools.partial(digit_distance, classifier=classifier, reference=r))
        for r in (reference, reference, other)
    ]
    assert names[0] == names[1] != names[2]


def test_a_gans_recipe_is_searched_by_its_digits(classifier, reference):
    digits = data.mnist_sample()
    rows = digits.images[:-800]

    def objective(recipe, report):
        def validation(generator):
            distance = digit_distance(
                generator, classifier=classifier, reference=reference, n_samples=200
            )
            report(distance, report.n_seen + 320)
            return distance

        result = recipe.train(
            rows, n_images=640, validation=validation, validate_every=320, progress_bar=False
        )
        return result.validation["loss"][-1]

    space = {
        "training.learning_rate_generator": adaptation.LogUniform(1e-6, 2e-3),
        "generator_config.latent_dim": adaptation.Integers(8, 64),
    }
    found = adaptation.search(
        objective,
        MNIST_MLP,
        space,
        n_trials=4,
        sampler="random",
        pruning=adaptation.MedianPruning(2),
        progress_bar=False,
    )
    best = min((t for t in found.trials if t.state == "complete"), key=lambda t: t.value or 0.0)
    assert found.config.generator_config.latent_dim == best.settings["generator_config.latent_dim"]
    rates = {t.settings["training.learning_rate_generator"]: t.value for t in found.trials}
    assert rates[max(rates)] == min(v for v in rates.values() if v is not None)


@pytest.mark.parametrize("n_classes", [None, 10])
def test_a_default_device_changes_no_distance(classifier, reference, n_classes):
    expected = digit_distance(copyist(n_classes), classifier=classifier, reference=reference)
    generator = copyist(n_classes)
    with torch.device("meta"):  # where nothing can be computed; a reader's is a GPU
        found = digit_distance(generator, classifier=classifier, reference=reference)
    assert found == expected
