"""Groups that are found without labels, and the generator that draws among them."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from aigc_tutorial import gan
from aigc_tutorial.data import mnist_sample

SHAPE, SHARES = (1, 8, 8), (0.5, 0.3, 0.2)
CONFIG = gan.MixtureGeneratorConfig(SHARES, latent_dim=5, image_shape=SHAPE, channels=(8, 4))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def generator() -> gan.MixtureGenerator:
    torch.manual_seed(0)
    return gan.MixtureGenerator(CONFIG).eval()


def trained_on(groups: Tensor) -> gan.ConvGenerator:
    torch.manual_seed(1)
    n_groups = int(groups.max()) + 1
    return gan.ConvGenerator(gan.ConvGeneratorConfig(4, SHAPE, channels=(8, 4), n_classes=n_groups))


class TestMixtureGenerator:
    """Which group a latent vector is in, and what is drawn then."""

    def test_groups_have_their_shares(self):
        """Within four standard errors of 20,000 draws, in each of three seeds."""
        model = generator()
        for seed in range(3):
            groups = model.groups(model.sample_latent(20_000, rng=seeded(seed)))
            found = torch.bincount(groups, minlength=3) / 20_000
            for share, wanted in zip(found.tolist(), SHARES, strict=True):
                assert share == pytest.approx(wanted, abs=4 * (wanted * (1 - wanted) / 2e4) ** 0.5)

    def test_edges_are_quantiles_of_the_normal_distribution(self):
        """The median parts the first half; 0.8416 is the normal distribution's 80 % point."""
        z = torch.zeros(4, 5)
        z[:, 0] = torch.tensor([-0.01, 0.01, 0.8415, 0.8418])
        assert generator().groups(z).tolist() == [0, 1, 1, 2]

    def test_draws_what_the_conditional_generator_draws_of_the_group(self):
        model = generator()
        z = model.sample_latent(6, rng=seeded())
        expected = model.conditional(z[:, 1:], model.groups(z))
        assert torch.equal(model(z), expected)
        assert not torch.equal(model(z), model.conditional(z[:, 1:], (model.groups(z) + 1) % 3))

    def test_is_saved_and_loaded(self, tmp_path):
        model = generator()
        model.save_pretrained(tmp_path)
        loaded = gan.MixtureGenerator.from_pretrained(tmp_path)
        assert loaded.config == CONFIG
        images = [each.sample(5, rng=seeded()) for each in (model, loaded)]
        assert torch.equal(*images)

    def test_one_group_is_no_mixture_and_draws(self):
        model = gan.MixtureGenerator(dataclasses.replace(CONFIG, shares=(1.0,)))
        assert model.groups(model.sample_latent(9, rng=seeded())).tolist() == [0] * 9
        assert model.sample(2, rng=seeded()).shape == (2, *SHAPE)

    @pytest.mark.parametrize(
        ("shares", "message"),
        [((0.5, 0.4), r"2 that sum to 0\.9"), ((), "0 that sum to 0"), ((1.5, -0.5), "above 0")],
    )
    def test_shares_are_probabilities(self, shares, message):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(CONFIG, shares=shares)

    def test_latents_need_room_beside_the_group(self):
        with pytest.raises(ValueError, match="latent_dim must be at least 2, got 1"):
            dataclasses.replace(CONFIG, latent_dim=1)


class TestMixture:
    """From a generator that was trained on groups to one that is told none."""

    def test_takes_weights_and_shares(self):
        groups = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
        trained = trained_on(groups).eval()
        model = gan.mixture(trained, groups)
        assert model.config.shares == (0.375, 0.25, 0.375)
        assert (model.latent_dim, model.n_classes, model.training) == (5, None, False)
        z = model.sample_latent(6, rng=seeded())
        assert torch.equal(model(z), trained(z[:, 1:], model.groups(z)))
        with torch.no_grad():  # a copy: the old one may go on learning
            next(trained.parameters()).zero_()
        assert next(model.conditional.parameters()).abs().sum() > 0

    def test_refuses_a_generator_without_classes(self):
        plain = gan.ConvGenerator(gan.ConvGeneratorConfig(4, SHAPE, channels=(8, 4)))
        with pytest.raises(ValueError, match="the generator has no classes; train one"):
            gan.mixture(plain, torch.zeros(4, dtype=torch.int64))

    def test_refuses_a_group_without_images(self):
        with pytest.raises(ValueError, match="there is none of group 1"):
            gan.mixture(trained_on(torch.arange(3)), torch.tensor([0, 2, 2]))


class TestPixelGroups:
    """What k-means finds in digits."""

    def purity(self, seed: int, **settings: Any) -> float:
        """Share of 2,000 digits whose group, of 30, has most of their kind."""
        digits = mnist_sample()
        order = torch.randperm(len(digits), generator=seeded())[:2_000]
        images, labels = digits.images[order], digits.labels[order]
        groups = gan.pixel_groups(images, 30, seed=seed, **settings)
        assert torch.equal(groups, gan.pixel_groups(images, 30, seed=seed, **settings))
        return sum(int(torch.bincount(labels[groups == k]).max()) for k in range(30)) / 2_000

    @pytest.mark.parametrize("seed", range(3))
    def test_groups_of_digits_are_mostly_of_one_digit(self, seed):
        """Chance would have a tenth; straightened they are purer, and drawn together once more."""
        found = self.purity(seed)
        upright = self.purity(seed, straighten=True)
        gathered = self.purity(seed, straighten=True, n_rounds=4)
        assert 0.6 < found < upright - 0.02 < gathered - 0.04 < 0.95

    def test_ten_images_move_to_one_place(self):
        """Each has the same ten neighbours, so after a round they are one image."""
        images = torch.rand(10, 1, 8, 8, generator=seeded()) * 2 - 1
        assert gan.pixel_groups(images, 2, seed=0).unique().tolist() == [0, 1]
        with pytest.raises(ValueError, match=r"2 groups need .* there are 1 after 1 rounds; take"):
            gan.pixel_groups(images, 2, seed=0, n_rounds=1)

    def test_equal_images(self):
        with pytest.raises(
            ValueError, match=r"3 groups need as many different .*, and there are 1"
        ):
            gan.pixel_groups(-torch.ones(4, 1, 8, 8), 3, seed=0)

    def test_rounds_are_not_negative(self):
        with pytest.raises(ValueError, match="n_rounds must be at least 0, got -1"):
            gan.pixel_groups(-torch.ones(4, 1, 8, 8), 1, seed=0, n_rounds=-1)

    def test_few_images(self):
        with pytest.raises(ValueError, match="5 groups need as many images at least, got 4"):
            gan.pixel_groups(-torch.ones(4, 1, 8, 8), 5, seed=0)


class TestStraightened:
    """A slanted bar stands upright in the middle, and keeps its ink."""

    def bar(self, slant: float, shift: float) -> Tensor:
        v, u = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
        inside = ((u - 13.5 - shift - slant * (v - 13.5)).abs() < 2) & ((v - 13.5).abs() < 8)
        return (2 * inside.float() - 1)[None, None]

    @pytest.mark.parametrize(("slant", "shift"), [(0.5, 0.0), (-0.4, 3.0), (0.0, -4.0)])
    def test_a_bar(self, slant, shift):
        found = gan.straightened(self.bar(slant, shift))
        wanted = self.bar(0.0, 0.0)
        assert (found - wanted).abs().mean() < 0.06
        assert (self.bar(slant, shift) - wanted).abs().mean() > 0.12
        assert (found + 1).sum() == pytest.approx(float((wanted + 1).sum()), rel=0.02)

    def test_what_has_no_ink_stays(self):
        blank = -torch.ones(2, 1, 28, 28)
        assert torch.equal(gan.straightened(blank), blank)

    def test_other_shapes(self):
        """Height and width differ, and so does their measure."""
        image = torch.nn.functional.pad(self.bar(0.5, 0.0), (4, 4), value=-1)
        found = gan.straightened(image)[..., 4:-4]
        assert (found - self.bar(0.0, 0.0)).abs().mean() < 0.06
