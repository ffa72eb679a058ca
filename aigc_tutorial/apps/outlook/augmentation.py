"""Ways to help the rare class, a GAN among them, all with one classifier and one budget."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial import gan
from aigc_tutorial.apps.outlook.lesions import SIDE, Photographs, draw_patients
from aigc_tutorial.apps.outlook.screening import (
    ScreeningConfig,
    add_noise,
    auroc,
    oversample,
    patient_scores,
    sensitivity,
    train_screening,
    turn_and_flip,
    with_generated,
)
from aigc_tutorial.config import Config
from aigc_tutorial.integers import as_count

N_IMAGES = 9_600
"""Budget of the GAN, in photographs shown."""

RECIPE = gan.recipes.Recipe(
    name="lesion-gan",
    generator_class=gan.ConvGenerator,
    generator_config=gan.ConvGeneratorConfig(
        latent_dim=32, image_shape=(1, SIDE, SIDE), channels=(32, 16)
    ),
    discriminator_class=gan.ConvDiscriminator,
    discriminator_config=gan.ConvDiscriminatorConfig(
        image_shape=(1, SIDE, SIDE), channels=(16, 32, 64)
    ),
    loss=gan.losses.RELATIVISTIC,
    training=gan.GANTrainingConfig(
        n_images=N_IMAGES,
        batch_size=16,
        learning_rate_generator=3e-3,
        learning_rate_discriminator=1e-3,
        r1_gamma=1.0,
        warmup_images=800,
        ema_half_life_images=600,
    ),
)
"""A small convolutional GAN for photographs of the rare class."""


@dataclass(frozen=True)
class StudyConfig(Config):
    """Who takes part in the comparison.

    Attributes:
        n_negative: patients of the frequent class to learn from.
        n_positive: patients of the rare class to learn from.
        n_each: photographs of each of them.
        n_test: patients of each class in the test, whom nobody has seen.
        n_more: patients of the rare class in the way that is told more of them.
    """

    n_negative: int = 60
    n_positive: int = 8
    n_each: int = 4
    n_test: int = 150
    n_more: int = 52

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_negative", "n_positive", "n_each", "n_test", "n_more", at_least=1)


@dataclass(frozen=True)
class Study:
    """Photographs of one comparison.

    Attributes:
        training: what every way learns from.
        test: of patients who are not in the training, two photographs each.
        new_photographs: others of the same patients of the rare class, never learned from.
        more: those of the training, and of further patients of the rare class.
    """

    training: Photographs
    test: Photographs
    new_photographs: Photographs
    more: Photographs

    @property
    def positives(self) -> Float[Tensor, "N 1 H W"]:
        """The rare class of the training: what the GAN learns from."""
        return self.training.images[self.training.labels == 1]


def draw_study(*, seed: int, config: StudyConfig = StudyConfig()) -> Study:
    """Draw the patients of a comparison and take their photographs; all anew for each seed."""
    rng = torch.Generator().manual_seed(as_count(seed, "seed", at_least=0))
    patients = draw_patients(config.n_negative, config.n_positive, rng=rng)
    training = patients.photograph(config.n_each, rng=rng)
    test = draw_patients(config.n_test, config.n_test, rng=rng).photograph(2, rng=rng)
    again = patients.photograph(config.n_each, rng=rng)
    others = draw_patients(1, config.n_more, rng=rng).photograph(config.n_each, rng=rng)
    others = others.take(others.labels == 1)
    more = Photographs(
        torch.cat([training.images, others.images]),
        torch.cat([training.labels, others.labels]),
        torch.cat([training.patients, others.patients + len(patients)]),
    )
    return Study(training, test, again.take(again.labels == 1), more)


@dataclass(frozen=True)
class Outcome:
    """How one way did on the patients of the test.

    Attributes:
        auroc: area under the ROC curve.
        sensitivity: share of the rare class that is found where nine tenths of the others are left
            in peace.
    """

    auroc: float
    sensitivity: float


def compare_ways(
    study: Study,
    generated: Float[Tensor, "N 1 H W"],
    *,
    seed: int = 0,
    config: ScreeningConfig = ScreeningConfig(),
) -> dict[str, Outcome]:
    """Train the same classifier in several ways and measure each on the patients of the test.

    Args:
        study: the photographs.
        generated: samples of a GAN that has learned the rare class, as many as make the classes
            equal.
        seed: of the classifiers: equal in all ways.
        config: of the classifiers: equal in all ways.
    """
    training = study.training
    n_positive = int((training.labels == 1).sum())
    weight = (len(training) - n_positive) / n_positive
    repeated, joined = oversample(training), with_generated(training, generated)
    learn = partial(train_screening, seed=seed, config=config)
    ways = {
        "nothing": partial(learn, training),
        "class weight": partial(learn, training, positive_weight=weight),
        "repeated": partial(learn, repeated),
        "repeated, with noise": partial(learn, repeated, change=add_noise),
        "repeated, turned and flipped": partial(learn, repeated, change=turn_and_flip),
        "GAN": partial(learn, joined),
        "GAN, turned and flipped": partial(learn, joined, change=turn_and_flip),
        "more patients, turned and flipped": partial(learn, study.more, change=turn_and_flip),
    }
    return {name: measure(way(), study.test) for name, way in ways.items()}


def measure(classifier: gan.ConvDiscriminator, test: Photographs) -> Outcome:
    """Area under the ROC curve and sensitivity, each patient counted once."""
    scores, labels = patient_scores(classifier, test)
    return Outcome(auroc(scores, labels), sensitivity(scores, labels, specificity=0.9))
