"""Made-up patients, the splits, the measures, and the ways to help the rare class."""

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from aigc_tutorial import gan
from aigc_tutorial.apps.outlook import augmentation, balancing, lesions, screening


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def photographs():
    return lesions.draw_patients(20, 5, rng=seeded()).photograph(3, rng=seeded(1))


def test_photographs_are_images_of_patients_and_the_same_for_a_seed(photographs):
    assert photographs.images.shape == (75, 1, lesions.SIDE, lesions.SIDE)
    assert float(photographs.images.abs().max()) <= 1
    assert photographs.patients.tolist() == [i // 3 for i in range(75)]
    assert photographs.labels.tolist() == [0] * 60 + [1] * 15
    again = lesions.draw_patients(20, 5, rng=seeded()).photograph(3, rng=seeded(1))
    assert torch.equal(again.images, photographs.images)


def test_photographs_of_one_patient_are_nearer_than_those_of_two(photographs):
    x = photographs.images.flatten(1)
    distance = torch.cdist(x, x)
    same = photographs.patients[:, None] == photographs.patients
    others = distance[~same]
    assert float(distance[same & ~torch.eye(75, dtype=torch.bool)].median()) < 0.8 * float(
        others.median()
    )


def test_only_border_and_inside_depend_on_the_class():
    patients = lesions.draw_patients(2_000, 2_000, rng=seeded())
    for name in ("skin", "radius", "darkness"):
        values = getattr(patients, name)
        assert abs(float(values[:2_000].mean() - values[2_000:].mean())) < 0.04, name
    ragged = patients.border[..., 0].square().mean(dim=1).sqrt()
    assert screening.auroc(ragged, patients.labels) == pytest.approx(0.98, abs=0.02)
    assert float(ragged[2_000:].min()) < float(ragged[:2_000].max())  # they overlap


@pytest.mark.parametrize("seed", range(3))
def test_the_measures_are_those_of_scikit_learn_ties_included(seed):
    scores = torch.randint(8, (60,), generator=seeded(seed)).float()
    labels = (torch.rand(60, generator=seeded(seed + 9)) < 0.3).long()
    assert screening.auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    false_alarms, found, _ = roc_curve(labels, scores, drop_intermediate=False)
    for specificity in (0.5, 0.9, 1.0):
        best = found[1 - false_alarms >= specificity - 1e-9].max()
        measured = screening.sensitivity(scores, labels, specificity=specificity)
        assert measured == pytest.approx(best)


def test_a_measure_needs_both_classes_and_a_specificity():
    with pytest.raises(ValueError, match="both classes"):
        screening.auroc(torch.ones(3), torch.ones(3))
    with pytest.raises(ValueError, match="specificity"):
        screening.sensitivity(torch.ones(2), torch.tensor([0, 1]), specificity=0)


def test_a_split_by_patient_shares_none_and_one_by_image_does(photographs):
    for split, shared in ((screening.split_by_patient, False), (screening.split_by_image, True)):
        training, test = split(photographs, 24, rng=seeded())
        assert len(training) + len(test) == 75
        assert len(test) == 24
        both = set(training.patients.tolist()) & set(test.patients.tolist())
        assert bool(both) == shared


def test_a_patient_counts_once():
    network = gan.ConvDiscriminator(
        gan.ConvDiscriminatorConfig((1, lesions.SIDE, lesions.SIDE), (2, 2, 2))
    )
    images = lesions.draw_patients(2, 1, rng=seeded()).photograph(4, rng=seeded(1))
    scores, labels = screening.patient_scores(network, images)
    assert labels.tolist() == [0, 0, 1]
    with torch.no_grad():
        expected = network(images.images).view(3, 4).mean(dim=1)
    torch.testing.assert_close(scores, expected)


def test_positions_are_those_of_a_square_and_all_eight_occur():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    changed = balancing.turn_and_flip(image.expand(400, -1, -1, -1), seeded())
    kinds = {tuple(x.flatten().tolist()) for x in changed}
    assert len(kinds) == 8
    assert all(sorted(kind) == list(range(16)) for kind in kinds)


def test_the_rare_class_is_repeated_until_the_classes_are_equal(photographs):
    repeated = balancing.oversample(photographs)
    assert torch.bincount(repeated.labels).tolist() == [60, 60]
    joined = balancing.with_generated(photographs, torch.zeros(45, 1, 16, 16))
    assert torch.bincount(joined.labels).tolist() == [60, 60]
    assert joined.patients[-45:].unique().tolist() == [-1]
    with pytest.raises(ValueError, match="both classes"):
        balancing.oversample(photographs.take(photographs.labels == 0))


def test_training_learns_and_is_the_same_for_a_seed():
    many = lesions.draw_patients(150, 150, rng=seeded()).photograph(1, rng=seeded(1))
    new = lesions.draw_patients(60, 60, rng=seeded(2)).photograph(1, rng=seeded(3))
    config = screening.ScreeningConfig(n_images=4_800)
    first, second = (
        screening.train_screening(many, change=balancing.turn_and_flip, config=config)
        for _ in range(2)
    )
    assert augmentation.measure(first, new).auroc > 0.6
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


SMALL_STUDY = augmentation.StudyConfig(n_negative=6, n_positive=2, n_each=2, n_test=5, n_more=2)


def test_every_way_is_measured_on_patients_whom_none_has_seen():
    study = augmentation.draw_study(seed=0, config=SMALL_STUDY)
    assert len(study.positives) == 4
    assert len(study.test) == 20
    assert len(study.more) == 20
    assert torch.bincount(study.same.labels).tolist() == [12, 12]
    assert set(study.same.patients.tolist()) == set(study.training.patients.tolist())
    assert len(study.same.images.flatten(1).unique(dim=0)) == 24  # none of them twice
    assert set(study.more.patients[study.more.labels == 1].tolist()) == {6, 7, 9, 10}
    x, y = study.training.images.flatten(1), study.test.images.flatten(1)
    assert float(torch.cdist(x, y).min()) > 0.1
    outcomes = augmentation.compare_ways(
        study, {"GAN": torch.zeros(8, 1, lesions.SIDE, lesions.SIDE)}, config=SMALL_CLASSIFIER
    )
    assert list(outcomes) == [*augmentation.SIMPLE_WAYS, "GAN", "GAN, turned and flipped"]
    assert all(0 <= outcome.auroc <= 1 for outcome in outcomes.values())


SMALL_CLASSIFIER = screening.ScreeningConfig(channels=(2, 2, 2), n_images=64)


def test_ways_that_would_not_be_comparable_are_refused():
    study = augmentation.draw_study(seed=0, config=SMALL_STUDY)
    with pytest.raises(ValueError, match="8 make the classes equal"):
        augmentation.compare_ways(study, {"GAN": study.positives}, config=SMALL_CLASSIFIER)
    with pytest.raises(ValueError, match="no ways"):
        augmentation.compare_ways(study, {}, simple=["prayer"], config=SMALL_CLASSIFIER)
    with pytest.raises(ValueError, match="rarer"):
        augmentation.StudyConfig(n_negative=8, n_positive=8)


def test_a_generator_draws_as_many_as_are_missing_and_may_learn_from_all_positions(monkeypatch):
    config = augmentation.StudyConfig(n_negative=3, n_positive=2, n_each=8, n_test=5, n_more=2)
    study = augmentation.draw_study(seed=0, config=config)  # 16 photographs, a batch of the GAN
    seen = []
    train = gan.recipes.Recipe.train

    def record(recipe, rows, **options):
        seen.append(rows)
        return train(recipe, rows, **options)

    monkeypatch.setattr(gan.recipes.Recipe, "train", record)
    plain = augmentation.draw_generated(study, n_images=16)
    turned = augmentation.draw_generated(study, turned=True, n_images=16)
    assert plain.shape == turned.shape == (8, 1, lesions.SIDE, lesions.SIDE)
    assert torch.equal(seen[0], study.positives)
    assert torch.equal(seen[1], balancing.all_positions(study.positives))


def test_all_positions_are_those_that_chance_chooses_from():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    by_chance = balancing.turn_and_flip(image.expand(400, -1, -1, -1), seeded())
    assert torch.equal(balancing.all_positions(image).unique(dim=0), by_chance.unique(dim=0))


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_torchs_default_type_changes_no_photograph_and_no_score(photographs, kind, default_dtype):
    expected = screening.train_screening(photographs, config=SMALL_CLASSIFIER)
    default_dtype(kind)
    again = lesions.draw_patients(20, 5, rng=seeded()).photograph(3, rng=seeded(1))
    assert torch.equal(again.images, photographs.images)
    scores, _ = screening.patient_scores(expected, photographs)
    assert scores.dtype == torch.float32
    trained = screening.train_screening(photographs, config=SMALL_CLASSIFIER)
    assert all(weights.dtype == torch.float32 for weights in trained.parameters())


@pytest.fixture
def default_dtype():
    before = torch.get_default_dtype()
    yield torch.set_default_dtype
    torch.set_default_dtype(before)


def test_the_area_of_many_scores_needs_no_table_of_pairs():
    scores = torch.arange(200_000).float()
    labels = torch.arange(200_000) % 2
    n = 100_000  # the k-th positive stands above k + 1 of the negatives
    assert screening.auroc(scores, labels) == pytest.approx((n + 1) / (2 * n))


def test_a_tiny_specificity_asks_for_the_smallest_negative():
    scores, labels = torch.tensor([0.0, 5.0, 1.0]), torch.tensor([0, 0, 1])
    assert screening.sensitivity(scores, labels, specificity=1e-12) == 1


unchecked: Any = inspect.unwrap  # as where no types are checked
NAN = float("nan")
TWO = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda p: screening.auroc(torch.tensor([NAN, 1.0]), TWO), "NaN"),
        (lambda p: screening.auroc(torch.rand(2), torch.tensor([-1, 1])), "labels must be 1"),
        (lambda p: screening.auroc(torch.rand(2), torch.tensor([0.0, 0.9])), "labels must be 1"),
        (lambda p: unchecked(screening._by_class)(torch.rand(3), TWO), "one shape"),
        (lambda p: unchecked(screening._by_class)(torch.rand(2, 1), TWO), "one shape"),
        (lambda p: screening.split_by_image(p, 75, rng=seeded()), "leaves none of 75"),
        (lambda p: screening.split_by_patient(p, 74, rng=seeded()), "leaves none of 25 patients"),
        (lambda p: screening.train_screening(p, positive_weight=NAN), "positive_weight"),
        (lambda p: screening.train_screening(p.take(p.labels == 1)), "both classes"),
        (
            lambda p: screening.train_screening(
                p, change=lambda x, rng: x[:1], config=SMALL_CLASSIFIER
            ),
            "must keep the shape",
        ),
        (lambda p: unchecked(screening.patient_scores)(None, p.take([])), "no photograph"),
        (lambda p: balancing.turn_and_flip(torch.zeros(1, 1, 4, 6), seeded()), "square"),
        (lambda p: balancing.with_generated(p, torch.zeros(1, 1, 8, 8)), "one size"),
        (lambda p: balancing.with_generated(p, torch.full((1, 1, 16, 16), NAN)), "NaN"),
        (
            lambda p: unchecked(lesions.Photographs.__post_init__)(
                SimpleNamespace(images=p.images, labels=p.labels[:3], patients=p.patients)
            ),
            "a class and a patient",
        ),
        (lambda p: lesions.Photographs(p.images, p.labels + 1, p.patients), "labels must be 1"),
    ],
)
def test_what_would_be_measured_wrong_is_refused(photographs, call, match):
    with pytest.raises(ValueError, match=match):
        call(photographs)


def test_a_patient_has_one_class(photographs):
    mixed = lesions.Photographs(photographs.images, torch.arange(75) % 2, photographs.patients)
    network = screening.train_screening(photographs, config=SMALL_CLASSIFIER)
    with pytest.raises(ValueError, match="both classes"):
        screening.patient_scores(network, mixed)
