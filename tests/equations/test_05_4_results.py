"""Both sides of every labelled equation of the page on results."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from aigc_tutorial import evaluation
from aigc_tutorial.ar.models.pixelcnn import PixelCNN, PixelCNNConfig
from aigc_tutorial.exercises.page_05_4 import mixture_nats


def normal(n: int, n_features: int, seed: int, shift: float = 0.0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(n, n_features, generator=random, dtype=torch.float64) + shift


def square_root(matrix: Tensor) -> Tensor:
    """Root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


@pytest.mark.equation("results-frechet")
def test_frechet_distance_through_a_matrix_root() -> None:
    mixing = normal(5, 5, seed=2)
    x, y = normal(60, 5, seed=0), normal(90, 5, seed=1, shift=0.7) @ mixing
    cov_x, cov_y = x.T.cov(), y.T.cov()
    root = square_root(cov_x)
    # tr (Σx Σy)^½ = tr (Σx^½ Σy Σx^½)^½, since the two products are similar matrices.
    cross = square_root(root @ cov_y @ root).trace()
    expected = (x.mean(0) - y.mean(0)).square().sum() + cov_x.trace() + cov_y.trace() - 2 * cross
    statistics = [evaluation.feature_statistics(features) for features in (x, y)]
    assert evaluation.frechet_distance(*statistics) == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.equation("results-frechet")
def test_frechet_distance_on_the_line_is_the_squared_wasserstein_distance() -> None:
    """In one dimension W₂ is the distance of the sorted samples, whatever the distribution."""
    n = 20_000
    quantiles = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    x, y = 1.5 * quantiles[:, None], 0.5 * quantiles[:, None] + 2.0
    wasserstein = (x.sort(0).values - y.sort(0).values).square().mean()
    statistics = [evaluation.feature_statistics(features) for features in (x, y)]
    assert evaluation.frechet_distance(*statistics) == pytest.approx(wasserstein.item(), rel=1e-3)


@pytest.mark.equation("results-frechet-bias")
def test_mean_of_few_samples_is_farther_by_trace_over_n() -> None:
    n, n_draws, n_features = 20, 4_000, 6
    scales = torch.arange(1, n_features + 1, dtype=torch.float64)
    fixed = torch.linspace(-1, 1, n_features, dtype=torch.float64)
    draws = normal(n_draws * n, n_features, seed=3).view(n_draws, n, n_features) * scales + 0.5
    squares = (draws.mean(dim=1) - fixed).square().sum(dim=1)
    expected = (0.5 - fixed).square().sum() + scales.square().sum() / n
    standard_error = squares.std() / math.sqrt(n_draws)
    assert abs(squares.mean() - expected) < 4 * standard_error
    assert standard_error < 0.02 * expected


@pytest.mark.equation("results-kernel")
def test_kernel_distance_pair_by_pair() -> None:
    n_features = 4
    x, y = normal(7, n_features, seed=4), normal(9, n_features, seed=5, shift=0.5)

    def k(u: Tensor, v: Tensor) -> float:
        return float((u @ v / n_features + 1) ** 3)

    within_x = [k(x[i], x[j]) for i in range(7) for j in range(7) if i != j]
    within_y = [k(y[i], y[j]) for i in range(9) for j in range(9) if i != j]
    between = [k(a, b) for a in x for b in y]
    expected = sum(within_x) / (7 * 6) + sum(within_y) / (9 * 8) - 2 * sum(between) / (7 * 9)
    assert evaluation.squared_mmd(x, y).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.equation("results-precision-recall")
def test_precision_and_recall_ball_by_ball() -> None:
    k, x, y = 3, normal(30, 2, seed=6), normal(25, 2, seed=7, shift=2.0)

    def distance(a: Tensor, b: Tensor) -> float:
        return float((a - b).norm())

    def inside(point: Tensor, support: Tensor) -> bool:
        # sorted()[0] is the distance 0 of a sample to itself.
        radii = [sorted(distance(s, other) for other in support)[k] for s in support]
        return any(distance(point, s) <= r for s, r in zip(support, radii, strict=True))

    precision = sum(inside(point, x) for point in y) / len(y)
    recall = sum(inside(point, y) for point in x) / len(x)
    assert 0 < precision < 1
    assert 0 < recall < 1
    found = evaluation.precision_recall(x, y, k=k)
    assert found.precision == pytest.approx(precision)
    assert found.recall == pytest.approx(recall)


@pytest.mark.equation("results-density-coverage")
def test_density_and_coverage_ball_by_ball() -> None:
    k, x, y = 5, normal(30, 2, seed=16), normal(25, 2, seed=17, shift=2.0)

    def distance(a: Tensor, b: Tensor) -> float:
        return float((a - b).norm())

    # sorted()[0] is the distance 0 of a sample to itself.
    radii = [sorted(distance(s, other) for other in x)[k] for s in x]
    inside = [[distance(b, a) <= r for a, r in zip(x, radii, strict=True)] for b in y]
    density = sum(sum(row) for row in inside) / (k * len(y))
    coverage = sum(any(column) for column in zip(*inside, strict=True)) / len(x)
    assert 0 < density < 1
    assert 0 < coverage < 1
    found = evaluation.density_coverage(x, y, k=k)
    assert found.density == pytest.approx(density)
    assert found.coverage == pytest.approx(coverage)


@pytest.mark.equation("results-coverage-chance")
@pytest.mark.parametrize(("n", "m", "k"), [(4, 3, 2), (3, 4, 1)])
def test_coverage_of_one_distribution_over_all_orders_on_the_line(n: int, m: int, k: int) -> None:
    """On the line, at places that no two distances share: every choice of the real ones counted."""
    places = torch.tensor([2.0**i + i / 10 for i in range(n + m)], dtype=torch.float64)
    values = []
    for chosen in itertools.combinations(range(n + m), n):
        is_real = torch.zeros(n + m, dtype=torch.bool)
        is_real[list(chosen)] = True
        found = evaluation.density_coverage(places[is_real, None], places[~is_real, None], k)
        values.append(found.coverage)
    formula = 1 - math.prod((n - i) / (n + m - i) for i in range(1, k + 1))
    assert sum(values) / len(values) == pytest.approx(formula)


@pytest.mark.equation("results-shares")
@pytest.mark.parametrize("shares", [[0.1] * 10, [0.5, 0.25, 0.25], [1.0] + [0.0] * 9])
def test_divergence_is_log_k_less_the_entropy(shares: list[float]) -> None:
    entropy = -sum(p * math.log(p) for p in shares if p > 0)
    expected = math.log(len(shares)) - entropy
    assert evaluation.kl_to_uniform(torch.tensor(shares)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.equation("results-shares-chance")
def test_divergence_of_uniform_samples_by_chance() -> None:
    n, n_classes, n_draws = 500, 10, 2_000
    random = torch.Generator().manual_seed(8)
    labels = torch.randint(n_classes, (n_draws, n), generator=random)
    values = torch.tensor(
        [evaluation.kl_to_uniform(evaluation.class_shares(row, n_classes)) for row in labels]
    )
    standard_error = values.std() / math.sqrt(n_draws)
    expected = (n_classes - 1) / (2 * n)
    assert values.mean().item() == pytest.approx(expected, rel=0.02, abs=4 * standard_error.item())


def binomial_tail(n: int, at_least: int) -> float:
    """Probability of that many heads or more among n throws of a fair coin."""
    return sum(math.comb(n, i) for i in range(at_least, n + 1)) / 2**n


@pytest.mark.equation("results-two-sample")
@pytest.mark.parametrize("n_right", [1_000, 1_020, 1_050])
def test_p_value_is_the_tail_of_guessing(n_right: int) -> None:
    n = 2_000
    accuracy = (n_right - 0.5) / n  # the continuity correction, for the comparison's sake
    p = 0.5 * math.erfc((2 * accuracy - 1) * math.sqrt(n / 2))
    assert p == pytest.approx(binomial_tail(n, n_right), rel=0.02)


@pytest.mark.equation("results-two-sample")
def test_two_sample_test_reports_this_p_value() -> None:
    config = evaluation.TwoSampleConfig(n_samples_shown=2_000, batch_size=50, learning_rate=2e-2)
    result = evaluation.classifier_two_sample_test(
        normal(200, 2, seed=9).float(),
        normal(200, 2, seed=10, shift=1.0).float(),
        rng=torch.Generator().manual_seed(11),
        config=config,
    )
    a, n = result.accuracy, result.n_test
    assert n == 200
    assert 0.5 < a < 1
    assert result.p_value == pytest.approx(0.5 * math.erfc((2 * a - 1) * math.sqrt(n / 2)))
    assert result.standard_error == pytest.approx(1 / (2 * math.sqrt(n)))


@pytest.mark.equation("results-copies")
def test_probability_of_being_nearer_pair_by_pair() -> None:
    # On a grid, so that equal distances occur.
    random = torch.Generator().manual_seed(12)
    training, held_out, generated = (
        torch.randint(0, 4, (n, 3), generator=random).float() for n in (12, 30, 20)
    )

    def nearest(point: Tensor) -> float:
        return min(float((point - row).norm()) for row in training)

    pairs = [(nearest(y), nearest(h)) for y in generated for h in held_out]
    ties = sum(d_y == d_h for d_y, d_h in pairs)
    expected = (sum(d_y < d_h for d_y, d_h in pairs) + 0.5 * ties) / len(pairs)
    report = evaluation.copy_report(generated, training, held_out, quantile=0.1)
    assert ties > 0
    assert report.probability_nearer == pytest.approx(expected)


@pytest.fixture
def pixels() -> PixelCNN:
    """A model of black and white images of 2 × 3 pixels in two classes."""
    with torch.random.fork_rng():
        torch.manual_seed(13)
        return PixelCNN(
            PixelCNNConfig((2, 3), width=4, n_layers=1, first_kernel_size=3, n_classes=2)
        ).double()


@pytest.mark.equation("results-pixels")
def test_probability_of_an_image_pixel_by_pixel(pixels: PixelCNN) -> None:
    image, label = torch.tensor([[[1, 0, 1], [0, 1, 1]]]), torch.tensor([1])
    nats, drawn = 0.0, torch.zeros_like(image)
    with torch.no_grad():
        for row in range(2):
            for column in range(3):
                # Only pixels before this one are in `drawn`.
                shares = pixels(drawn, label)[0, row, column].softmax(0)
                nats -= math.log(shares[image[0, row, column]])
                drawn[0, row, column] = image[0, row, column]
    report = evaluation.sequence_likelihood(pixels, (image, label))
    assert report.nats_per_sequence == pytest.approx(nats, rel=1e-9)
    assert report.bits_per_token == pytest.approx(nats / (6 * math.log(2)), rel=1e-9)


@pytest.mark.equation("results-pixels")
@pytest.mark.parametrize("label", [0, 1])
def test_probabilities_of_all_images_add_up_to_one(pixels: PixelCNN, label: int) -> None:
    images = torch.cartesian_prod(*[torch.arange(2)] * 6).view(-1, 2, 3)
    with torch.no_grad():
        nats = pixels.nll(images, torch.full((64,), label)).sum(dim=(1, 2))
    assert nats.neg().exp().sum().item() == pytest.approx(1, rel=1e-9)


@pytest.mark.equation("results-mixture")
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_junk_in_a_mixture_costs_at_most_minus_log_of_the_share(share: float) -> None:
    good = 175 + 30 * normal(50, 1, seed=14)[:, 0]
    junk = 180 + 30 * normal(50, 1, seed=15)[:, 0]
    mixed = torch.tensor(
        [
            -math.log(share * math.exp(-g) + (1 - share) * math.exp(-j))
            for g, j in zip(good.tolist(), junk.tolist(), strict=True)
        ],
        dtype=torch.float64,
    )
    assert (mixed <= good - math.log(share) + 1e-9).all()
    # The bound is met where the other model knows nothing, and by nothing smaller.
    nothing = mixture_nats(good, good + 500, share)
    assert nothing.item() == pytest.approx(good.mean().item() - math.log(share), rel=1e-9)
    assert mixture_nats(good, good, share).item() == pytest.approx(good.mean().item(), rel=1e-9)
    assert mixture_nats(good, junk, share).item() == pytest.approx(mixed.mean().item(), rel=1e-5)
