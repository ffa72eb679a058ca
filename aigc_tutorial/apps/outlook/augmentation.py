"""Ways to help the rare class, a GAN among them, all with one classifier and one budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial import gan
from aigc_tutorial.apps.outlook.balancing import (
    add_noise,
    all_positions,
    oversample,
    turn_and_flip,
    with_generated,
)
from aigc_tutorial.apps.outlook.lesions import SIDE, Photographs, draw_patients
from aigc_tutorial.apps.outlook.screening import (
    ScreeningConfig,
    auroc,
    patient_scores,
    sensitivity,
    train_screening,
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
        if self.n_positive >= self.n_negative:
            raise ValueError(
                f"the rare class must be the rarer one, got {self.n_positive} of its patients and "
                f"{self.n_negative} others"
            )


@dataclass(frozen=True)
class Study:
    """Photographs of one comparison.

    Attributes:
        training: what every way learns from.
        test: of patients who are not in the training, two photographs each.
        new_photographs: others of the same patients of the rare class, never learned from.
        same: those of the training, and so many further ones of its patients of the rare class that
            the classes are equal: what a generator that knows these patients alone could give at
            best.
        more: those of the training, and of further patients of the rare class.
    """

    training: Photographs
    test: Photographs
    new_photographs: Photographs
    same: Photographs
    more: Photographs

    @property
    def positives(self) -> Float[Tensor, "N 1 H W"]:
        """The rare class of the training: what the GAN learns from."""
        return self.training.images[self.training.labels == 1]

    @property
    def n_missing(self) -> int:
        """How many photographs the rare class has fewer than the other."""
        return len(self.training) - 2 * len(self.positives)


def draw_study(*, seed: int, config: StudyConfig = StudyConfig()) -> Study:
    """Draw the patients of a comparison and take their photographs; all anew for each seed."""
    rng = torch.Generator().manual_seed(as_count(seed, "seed", at_least=0))
    patients = draw_patients(config.n_negative, config.n_positive, rng=rng)
    training = patients.photograph(config.n_each, rng=rng)
    test = draw_patients(config.n_test, config.n_test, rng=rng).photograph(2, rng=rng)
    again = patients.photograph(config.n_each, rng=rng)
    others = draw_patients(1, config.n_more, rng=rng).photograph(config.n_each, rng=rng)
    n_missing = config.n_each * (config.n_negative - config.n_positive)
    further = patients.photograph(-(-n_missing // config.n_positive), rng=rng)
    further = further.take(further.labels == 1)
    chosen = torch.randperm(len(further), generator=rng, device="cpu")[:n_missing]
    return Study(
        training=training,
        test=test,
        new_photographs=again.take(again.labels == 1),
        same=_joined(training, further.take(chosen)),
        more=_joined(training, others.take(others.labels == 1), n_patients=len(patients)),
    )


def _joined(a: Photographs, b: Photographs, *, n_patients: int = 0) -> Photographs:
    """Both; ``n_patients`` is added to the patients' numbers of the second."""
    return Photographs(
        torch.cat([a.images, b.images]),
        torch.cat([a.labels, b.labels]),
        torch.cat([a.patients, b.patients + n_patients]),
    )


def draw_generated(
    study: Study, *, turned: bool = False, seed: int = 0, n_images: int = N_IMAGES
) -> Float[Tensor, "N 1 H W"]:
    """Train the GAN on the rare class and draw as many photographs as make the classes equal.

    Args:
        study: has the photographs to learn from.
        turned: whether it is shown each of them in all eight positions, as
            ``balancing.turn_and_flip`` makes them.
        seed: of the networks and of what is drawn.
        n_images: budget, in photographs shown.
    """
    rows = all_positions(study.positives) if turned else study.positives
    trained = RECIPE.train(rows, seed=seed, n_images=n_images, progress_bar=False)
    return trained.generator.sample(study.n_missing, rng=torch.Generator().manual_seed(seed))


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


SIMPLE_WAYS = (
    "nothing",
    "class weight",
    "repeated",
    "repeated, with noise",
    "repeated, turned and flipped",
    "more photographs of the same patients, turned and flipped",
    "more patients, turned and flipped",
)
"""Ways without a generator: four rules, the best of them, and what more data would give."""


def compare_ways(
    study: Study,
    generated: Mapping[str, Float[Tensor, "N 1 H W"]],
    *,
    simple: Sequence[str] = SIMPLE_WAYS,
    seed: int = 0,
    config: ScreeningConfig = ScreeningConfig(),
) -> dict[str, Outcome]:
    """Train the same classifier in several ways and measure each on the patients of the test.

    Args:
        study: the photographs.
        generated: samples of generators that have learned the rare class, by the generator's name;
            as many as make the classes equal. Each is joined twice, without and with turning.
        simple: which of ``SIMPLE_WAYS`` to take beside them.
        seed: of the classifiers: equal in all ways.
        config: of the classifiers: equal in all ways.

    Raises:
        ValueError: if there is no such way, or a generator gives another number of photographs
            than :attr:`Study.n_missing`.
    """
    if unknown := [name for name in simple if name not in SIMPLE_WAYS]:
        raise ValueError(f"there are no ways {unknown}; expected some of {list(SIMPLE_WAYS)}")
    for name, images in generated.items():
        if len(images) != study.n_missing:
            raise ValueError(
                f"{name} gives {len(images)} photographs, and {study.n_missing} make the classes "
                "equal; with another number the ways would not be comparable"
            )
    learn = partial(train_screening, seed=seed, config=config)
    turn = partial(learn, change=turn_and_flip)
    repeated = oversample(study.training)
    ways = {
        "nothing": partial(learn, study.training),
        "class weight": partial(
            learn,
            study.training,
            positive_weight=len(study.training) / len(study.positives) - 1,
        ),
        "repeated": partial(learn, repeated),
        "repeated, with noise": partial(learn, repeated, change=add_noise),
        "repeated, turned and flipped": partial(turn, repeated),
        "more photographs of the same patients, turned and flipped": partial(turn, study.same),
        "more patients, turned and flipped": partial(turn, study.more),
    }
    chosen = {name: way for name, way in ways.items() if name in simple}
    for name, images in generated.items():
        joined = with_generated(study.training, images)
        chosen |= {
            name: partial(learn, joined),
            f"{name}, turned and flipped": partial(turn, joined),
        }
    return {name: measure(way(), study.test) for name, way in chosen.items()}


def measure(classifier: gan.ConvDiscriminator, test: Photographs) -> Outcome:
    """Area under the ROC curve and sensitivity, each patient counted once."""
    scores, labels = patient_scores(classifier, test)
    return Outcome(auroc(scores, labels), sensitivity(scores, labels, specificity=0.9))
