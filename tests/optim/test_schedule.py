"""The schedule rises, stays, falls, and takes no share that is none."""

import math

import pytest

from aigc_tutorial.optim import warmup_flat_decay


@pytest.mark.parametrize(
    ("progress", "factor"), [(0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (0.6, 1.0), (0.8, 0.55), (1, 0.1)]
)
def test_corners_and_what_lies_between(progress, factor):
    found = warmup_flat_decay(progress, warmup=0.2, flat_until=0.6, final=0.1)
    assert found == pytest.approx(factor)


def test_by_default_it_begins_high_and_falls_from_the_middle_to_a_fiftieth():
    assert [warmup_flat_decay(p) for p in (0, 0.5, 0.75, 1)] == pytest.approx([1, 1, 0.51, 0.02])


def test_a_warm_up_beyond_the_flat_part_never_ends():
    with pytest.raises(ValueError, match="warmup <= flat_until"):
        warmup_flat_decay(0.3, warmup=0.6)


@pytest.mark.parametrize(("flat_until", "factor"), [(0.5, 0.1), (1.0, 1.0)])
def test_past_the_budget_the_factor_is_the_last(flat_until, factor):
    assert warmup_flat_decay(1.1, flat_until=flat_until, final=0.1) == pytest.approx(factor)


@pytest.mark.parametrize("settings", [{"final": -0.1}, {"final": 1.5}, {"final": math.nan}])
def test_a_final_factor_out_of_range(settings):
    with pytest.raises(ValueError, match="final must be from 0 to 1"):
        warmup_flat_decay(0.5, **settings)


@pytest.mark.parametrize("progress", [-0.1, math.nan])
def test_no_share_of_the_budget(progress):
    with pytest.raises(ValueError, match="progress must be a share"):
        warmup_flat_decay(progress, warmup=0.2)
