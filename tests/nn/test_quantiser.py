"""Vector quantisation: nearest codes, the gradient that passes them, and the codebook's moves."""

import pytest
import torch

from aigc_tutorial.nn import VectorQuantiser, straight_through


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quantiser(n_codes: int = 5, dim: int = 3, **options: float) -> VectorQuantiser:
    result = VectorQuantiser(n_codes, dim, **options)
    result.codebook.copy_(torch.randn(n_codes, dim, generator=seeded(1)))
    result.usage.fill_(1.0)
    result.sums.copy_(result.codebook)
    return result


def features(batch: int = 4) -> torch.Tensor:
    return torch.randn(batch, 3, 2, 2, generator=seeded(2))


def test_each_vector_gets_the_nearest_code_and_no_other():
    book, y = quantiser(), features()
    out = book(y)
    for b in range(4):
        for i in range(2):
            for j in range(2):
                distances = (book.codebook - y[b, :, i, j]).norm(dim=1)
                assert out.codes[b, i, j] == distances.argmin()
                torch.testing.assert_close(
                    out.vectors[b, :, i, j], book.codebook[distances.argmin()]
                )
    squares = (y - book.lookup(out.codes)).square().mean()
    torch.testing.assert_close(out.commitment, squares)


def test_codes_are_looked_for_in_full_precision():
    """With distances rounded to three digits one place in thirty got another code."""
    book, y = quantiser(64), torch.randn(16, 3, 8, 8, generator=seeded(2))
    expected = book.nearest(y)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(book.nearest(y), expected)
    halved = book.bfloat16()
    wide = torch.cdist(y.bfloat16().float().permute(0, 2, 3, 1), halved.codebook.float())
    assert torch.equal(halved.nearest(y.bfloat16()), wide.argmin(-1))


def test_the_gradient_of_the_vectors_is_that_of_the_identity():
    y = features().requires_grad_(True)
    weights = torch.randn(4, 3, 2, 2, generator=seeded(3))
    out = quantiser()(y)
    (gradient,) = torch.autograd.grad((weights * out.vectors).sum(), y)
    torch.testing.assert_close(gradient, weights)
    # Without the detour there is none: a rounded number does not move with what was rounded.
    assert not quantiser().lookup(out.codes).requires_grad


def test_the_commitment_pulls_features_to_their_codes():
    y = features().requires_grad_(True)
    book = quantiser()
    out = book(y)
    (gradient,) = torch.autograd.grad(out.commitment, y)
    torch.testing.assert_close(gradient, 2 * (y - book.lookup(out.codes)).detach() / y.numel())


def test_straight_through_takes_the_value_from_one_and_the_gradient_from_the_other():
    soft = torch.tensor([0.2, 0.9], dtype=torch.float64, requires_grad=True)
    hard = soft.round()
    mixed = straight_through(soft, hard)
    torch.testing.assert_close(mixed, hard)
    (gradient,) = torch.autograd.grad((mixed * torch.tensor([3.0, 4.0])).sum(), soft)
    assert gradient.tolist() == [3.0, 4.0]


def test_a_code_moves_to_the_mean_of_what_chose_it():
    """With decay 0 an update is one step of k-means."""
    book, y = quantiser(decay=0.0, dead_below=0.0), features(50)
    codes = book.nearest(y)
    rows, chosen = y.permute(0, 2, 3, 1).reshape(-1, 3), codes.reshape(-1)
    assert len(chosen.unique()) == 5
    book.update(y, codes, rng=seeded())
    for k in range(5):
        torch.testing.assert_close(book.codebook[k], rows[chosen == k].mean(0))


def test_the_average_forgets_at_its_rate():
    book, y = quantiser(decay=0.9, dead_below=0.0), features()
    before, usage = book.sums.clone(), book.usage.clone()
    codes = book.nearest(y)
    book.update(y, codes, rng=seeded())
    rows = y.permute(0, 2, 3, 1).reshape(-1, 3)
    for k in range(5):
        mine = rows[codes.reshape(-1) == k]
        torch.testing.assert_close(book.usage[k], 0.9 * usage[k] + 0.1 * len(mine))
        torch.testing.assert_close(book.sums[k], 0.9 * before[k] + 0.1 * mine.sum(0))


def test_a_dead_code_is_put_onto_a_feature_and_comes_to_life():
    y = features(50)
    book = quantiser(dead_below=0.5)
    book.codebook[4] = 100.0  # nothing is near
    book.usage[4] = 0.4
    codes = book.nearest(y)
    assert 4 not in codes
    assert book.update(y, codes, rng=seeded()) == 1
    rows = y.permute(0, 2, 3, 1).reshape(-1, 3)
    assert (rows - book.codebook[4]).norm(dim=1).min() < 1e-5
    assert 4 in book.nearest(y)


def test_without_moving_it_a_dead_code_stays_dead():
    y = features(50)
    book = quantiser(dead_below=0.0)
    book.codebook[4], book.sums[4] = 100.0, 100.0
    for _ in range(20):
        book.update(y, book.nearest(y), rng=seeded())
    assert 4 not in book.nearest(y)


def test_the_first_update_puts_all_codes_among_the_features():
    y, book = features(50), VectorQuantiser(5, 3)
    assert book.update(y, book(y).codes, rng=seeded()) >= 4
    rows = y.permute(0, 2, 3, 1).reshape(-1, 3)
    assert len(book.nearest(y).unique()) == 5
    assert (torch.cdist(book.codebook, rows).amin(1) < rows.norm(dim=1).max()).all()


@pytest.mark.parametrize("decay", [0.0, 0.97])
def test_a_code_that_was_never_chosen_stays_where_it_is(decay):
    """Its mean is that of no features, 0 / 0; the nearest code would be NaN everywhere."""
    y, book = features(50), VectorQuantiser(5, 3, decay=decay, dead_below=0.0)
    book.codebook.copy_(torch.randn(5, 3, generator=seeded(1)))
    book.codebook[4] = 100.0
    book.update(y, book.nearest(y), rng=seeded())
    assert torch.equal(book.codebook[4], torch.full((3,), 100.0))
    assert 4 not in book.nearest(y)
    assert book.codebook.isfinite().all()


def test_a_code_that_nothing_chooses_any_more_does_not_fade_into_rounding():
    y, book = features(50), quantiser(dead_below=0.0, decay=0.5)
    book.codebook[4], book.sums[4] = 100.0, 100.0
    for _ in range(200):
        book.update(y, book.nearest(y), rng=seeded())
    torch.testing.assert_close(book.codebook[4], torch.full((3,), 100.0))


@pytest.mark.parametrize("n_codes", [64, 128, 512])
def test_most_codes_keep_their_places_however_few_features_a_batch_has(n_codes):
    """As many clusters as codes, and batches of 128 places: a code is moved where it is of no use.

    Were death the same number of features for all, those codes would die that a batch cannot reach.
    """
    rng = seeded(4)
    centres = torch.randn(n_codes, 3, generator=rng)

    def batch() -> torch.Tensor:
        chosen = torch.randint(n_codes, (128,), generator=rng)
        return centres[chosen].T.reshape(1, 3, 128, 1)

    book = VectorQuantiser(n_codes, 3)
    n_dead = []
    for _ in range(120):
        y = batch()
        n_dead.append(book.update(y, book.nearest(y), rng=rng))
    assert sum(n_dead[-20:]) / 20 < 0.05 * n_codes


@pytest.mark.parametrize(
    "options",
    [
        {"n_codes": 0},
        {"dim": 0},
        {"decay": 1.0},
        {"dead_below": -1.0},
        {"dead_below": float("nan")},
        {"dead_below": float("inf")},
    ],
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ValueError, match=r"codebook needs|decay must"):
        VectorQuantiser(**({"n_codes": 4, "dim": 2} | options))
