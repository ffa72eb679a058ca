"""Precision and recall tell garbage from missing modes."""

import pytest
import torch

from aigc_tutorial.evaluation import precision_recall

CENTRES = 20 * torch.eye(4, 8)


def clusters(n: int, seed: int, modes: tuple[int, ...] = (0, 1, 2, 3)) -> torch.Tensor:
    """Equally many samples of each mode, the modes far apart."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.tensor(modes).repeat(n // len(modes))
    return CENTRES[which] + torch.randn(len(which), 8, generator=generator)


def test_by_hand_on_a_line():
    real = torch.tensor([[0.0], [1.0], [3.0]])
    fake = torch.tensor([[-1.5], [2.5], [4.5]])
    # Nearest of its own set: radii of the real points 1, 1, 2; of the fake points 4, 2, 2.
    # Fake points in a real ball: 2.5 and 4.5. Real points in a fake ball: all.
    result = precision_recall(real, fake, k=1)
    assert result.precision == pytest.approx(2 / 3)
    assert result.recall == 1.0


def test_a_set_covers_itself():
    x = clusters(200, 0)
    assert precision_recall(x, x.clone()) == precision_recall(x, x)
    assert precision_recall(x, x).precision == 1.0
    assert precision_recall(x, x).recall == 1.0


def test_equal_distributions_score_high_on_both():
    result = precision_recall(clusters(1000, 0), clusters(1000, 1))
    assert result.precision > 0.8
    assert result.recall > 0.8


def test_a_missing_mode_lowers_recall_only():
    full = precision_recall(clusters(900, 0), clusters(900, 1))
    dropped = precision_recall(clusters(900, 0), clusters(900, 1, modes=(0, 1, 2)))
    assert dropped.recall == pytest.approx(0.75 * full.recall, abs=0.05)
    assert dropped.precision >= full.precision - 0.05


def test_garbage_lowers_precision_only():
    full = precision_recall(clusters(800, 0), clusters(800, 1))
    generator = torch.Generator().manual_seed(2)
    # Far from everything and in tight groups, so that its own balls reach no real sample.
    garbage = torch.randn(800, 8, generator=generator) * 0.1 - 50
    spoilt = precision_recall(clusters(800, 0), torch.cat([clusters(800, 1), garbage]))
    assert spoilt.precision == pytest.approx(full.precision / 2, abs=0.02)
    assert spoilt.recall == pytest.approx(full.recall, abs=0.02)


def test_swapping_the_sets_swaps_the_two():
    a, b = clusters(400, 0), clusters(400, 1, modes=(0, 1))
    forth, back = precision_recall(a, b), precision_recall(b, a)
    assert forth.precision == pytest.approx(back.recall, abs=0.01)
    assert forth.recall == pytest.approx(back.precision, abs=0.01)


def test_refusals():
    with pytest.raises(ValueError, match="need at least 4"):
        precision_recall(torch.rand(3, 2), torch.rand(10, 2))
    with pytest.raises(ValueError, match="need at least 4"):
        precision_recall(torch.rand(10, 2), torch.rand(3, 2))
    with pytest.raises(ValueError, match="at least 1"):
        precision_recall(torch.rand(10, 2), torch.rand(10, 2), k=0)
    with pytest.raises((ValueError, TypeError)):
        precision_recall(torch.rand(10, 2), torch.rand(10, 3))
    with pytest.raises(ValueError, match="NaN"):
        precision_recall(torch.rand(10, 2), torch.full((10, 2), float("nan")))
