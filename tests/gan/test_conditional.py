"""Networks that are told each image's class: what they do with it, and how they are trained."""

import dataclasses
import inspect
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from aigc_tutorial import gan
from aigc_tutorial.gan import losses, penalties
from aigc_tutorial.gan.latent import decode, latents_by_digit, truncate
from aigc_tutorial.training import Engine
from tests import second_device

SHAPE, N_CLASSES = (1, 8, 8), 3
GENERATOR = gan.ConvGeneratorConfig(4, SHAPE, channels=(8, 4), n_classes=N_CLASSES)
DISCRIMINATOR = gan.ConvDiscriminatorConfig(SHAPE, (4, 6, 8), n_classes=N_CLASSES)
CONFIG = gan.GANTrainingConfig(n_images=48, batch_size=12, warmup_images=12, penalty_every=2)
LABELS = torch.arange(24) % N_CLASSES


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def networks(**changes: Any) -> tuple[gan.ConvGenerator, gan.ConvDiscriminator]:
    torch.manual_seed(0)
    generator = gan.ConvGenerator(GENERATOR)
    return generator, gan.ConvDiscriminator(dataclasses.replace(DISCRIMINATOR, **changes))


def images(n: int = 24, seed: int = 0) -> Tensor:
    return torch.rand(n, *SHAPE, generator=seeded(seed)) * 2 - 1


def trainer(labels: Tensor = LABELS, **changes: Any) -> gan.GANTrainer:
    generator, discriminator = networks()
    return gan.GANTrainer(
        generator,
        discriminator,
        loss=losses.RELATIVISTIC,
        config=dataclasses.replace(CONFIG, **changes),
        rng=seeded(),
        engine=Engine(device="cpu"),
        labels=labels,
    )


class TestNetworks:
    """What a label changes."""

    def test_the_logit_is_that_of_a_last_layer_of_the_classs_own(self):
        """a(x | c) = ⟨w + e_c, h(x)⟩ + b, computed here from the parts."""
        discriminator, x = networks()[1], images(6)
        nn.init.normal_(discriminator.class_embedding.weight)
        labels = torch.tensor([0, 1, 2, 2, 1, 0])
        h, last = discriminator.layers[:-1](x), cast(nn.Linear, discriminator.layers[-1])
        weights = last.weight + discriminator.class_embedding.weight[labels]
        expected = (weights * h).sum(1) + last.bias
        torch.testing.assert_close(discriminator(x, labels), expected)
        assert (discriminator(x, labels) - discriminator(x, labels.roll(1))).abs().max() > 1e-4

    @pytest.mark.parametrize("class_scale", [0.05, 1.0])
    def test_a_classs_vector_is_multiplied_and_joined_to_the_latent(self, class_scale):
        torch.manual_seed(0)
        config = dataclasses.replace(GENERATOR, class_scale=class_scale)
        generator = gan.ConvGenerator(config).eval()
        z, labels = generator.sample_latent(3, rng=seeded()), torch.tensor([2, 0, 1])
        joined = torch.cat([z, class_scale * generator.class_embedding.weight[labels]], dim=1)
        torch.testing.assert_close(generator(z, labels), generator.layers(joined))

    def test_an_image_depends_on_latent_and_class(self):
        generator = networks()[0].eval()
        z = generator.sample_latent(2, rng=seeded())
        same_z, same_class = (
            generator(z[[0, 0]], torch.tensor([0, 1])),
            generator(z, LABELS[[0, 0]]),
        )
        assert (same_z[0] - same_z[1]).abs().max() > 1e-5
        assert (same_class[0] - same_class[1]).abs().max() > 1e-4

    def test_samples_do_not_depend_on_how_many_are_computed_at_once(self):
        generator = networks()[0]
        whole = generator.sample(7, LABELS[:7], rng=seeded())
        torch.testing.assert_close(
            generator.sample(7, LABELS[:7], rng=seeded(), batch_size=3), whole
        )
        z = generator.sample_latent(7, rng=seeded())
        torch.testing.assert_close(decode(generator, z, LABELS[:7].tolist()), whole)

    def test_spectral_norm_bounds_the_classes_too(self):
        discriminator = networks(spectral_norm=True)[1].train()
        for _ in range(200):  # one power iteration a pass
            discriminator(images(2), LABELS[:2])
        norm = torch.linalg.matrix_norm(discriminator.class_embedding.weight, 2)
        assert norm.item() == pytest.approx(1, abs=1e-2)

    @pytest.mark.parametrize("number", [0, 1])
    def test_saved_networks_come_back_equal(self, number, tmp_path):
        network = networks()[number]
        network.save_pretrained(tmp_path)
        loaded = type(network).from_pretrained(tmp_path)
        assert loaded.n_classes == N_CLASSES
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, loaded.state_dict()[name]), name


class TestDoors:
    """Labels that do not fit are refused where they enter."""

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (None, "give labels 0 … 2"),
            (LABELS[:5], r"expected labels of shape \(6,\), got \(5,\)"),
            (LABELS[:6, None], r"expected labels of shape \(6,\), got \(6, 1\)"),
            (torch.full((6,), 3), "must lie in 0 … 2, got 3 … 3"),
            (-torch.ones(6).long(), "must lie in 0 … 2, got -1 … -1"),
            (LABELS[:6].float(), "labels as whole numbers"),
            (LABELS[:6] > 0, "labels as whole numbers"),
            (["one"] * 6, "labels as whole numbers"),
        ],
    )
    def test_everywhere(self, labels, message):
        generator, discriminator = networks()
        z = generator.sample_latent(6)
        for call in (
            lambda: inspect.unwrap(gan.Generator.sample)(generator, 6, labels),
            lambda: inspect.unwrap(decode)(generator, z, labels),
            lambda: inspect.unwrap(gan.train)(generator, discriminator, images(6), labels),
        ):
            with pytest.raises((ValueError, TypeError), match=message):
                call()

    def test_labels_that_nobody_is_told(self):
        torch.manual_seed(0)
        generator = gan.ConvGenerator(dataclasses.replace(GENERATOR, n_classes=None))
        plain = gan.ConvDiscriminator(dataclasses.replace(DISCRIMINATOR, n_classes=None))
        copies = gan.MLPGeneratorCopies(gan.MLPGeneratorCopiesConfig(n_copies=2))
        for call in (
            lambda: generator.sample(2, LABELS[:2]),
            lambda: copies.sample(2, LABELS[:2]),
            lambda: plain(images(2), LABELS[:2]),
            lambda: decode(generator, generator.sample_latent(2), LABELS[:2]),
            lambda: gan.train(generator, plain, images(), LABELS, config=CONFIG),
        ):
            with pytest.raises(ValueError, match="leave the labels away"):
                call()

    def test_both_networks_know_the_same_classes(self):
        generator, discriminator = networks(n_classes=4)
        with pytest.raises(ValueError, match="n_classes 3 for the generator and 4"):
            gan.train(generator, discriminator, images(), LABELS, config=CONFIG)
        generator, plain = networks(n_classes=None)
        with pytest.raises(ValueError, match="n_classes 3 for the generator and None"):
            gan.train(generator, plain, images(), LABELS, config=CONFIG)

    def test_no_classes(self):
        for config_class in (gan.ConvGeneratorConfig, gan.ConvDiscriminatorConfig):
            with pytest.raises(ValueError, match="n_classes must be at least 1"):
                config_class(n_classes=0)

    def test_a_digit_is_asked_for_and_not_searched(self):
        with pytest.raises(ValueError, match="give the digits as labels to its sample"):
            latents_by_digit(networks()[0], nn.Flatten())


class TestTraining:
    """The same updates, losses and penalties, with the labels along."""

    def test_generated_images_are_asked_for_in_the_classes_of_the_real_ones(self, monkeypatch):
        player = trainer(n_discriminator_updates=2)
        told: dict[str, list[Tensor]] = {"generator": [], "discriminator": []}
        for name, seen in told.items():
            network = getattr(player, name)
            network.register_forward_pre_hook(
                lambda _, __, keywords, seen=seen: seen.append(keywords["labels"]),
                with_kwargs=True,
            )
        player.step((images(12), LABELS[:12].roll(1)), 0.5)
        first, second = LABELS[:12].roll(1).chunk(2)
        assert [c.tolist() for c in told["generator"]] == [first.tolist(), second.tolist()]
        # Each time both kinds in one pass, and R1 in this step; last, the generator's turn.
        both = [2 * first.tolist(), first.tolist(), 2 * second.tolist(), second.tolist()]
        assert [c.tolist() for c in told["discriminator"]] == [*both, second.tolist()]

    @pytest.mark.parametrize("name", ["r1_gamma", "r2_gamma", "gradient_penalty"])
    def test_penalties_are_of_the_logit_of_the_class(self, name):
        settings: dict[str, Any] = {"r1_gamma": 0.0, "penalty_every": 1, name: 0.6}
        player, x_real, x_fake = trainer(**settings), images(12), images(12, seed=1)
        labels = LABELS[:12]

        def logit(x: Tensor) -> Tensor:
            return player.discriminator(x, labels)

        expected = {
            "r1_gamma": lambda: 0.3 * penalties.r1_penalty(logit, x_real),
            "r2_gamma": lambda: 0.3 * penalties.r2_penalty(logit, x_fake),
            "gradient_penalty": lambda: (
                0.6 * penalties.gradient_penalty(logit, x_real, x_fake, rng=seeded())
            ),
        }[name]()
        torch.testing.assert_close(player._penalty(x_real, x_fake, labels), expected)
        player.rng.manual_seed(0)
        assert player._penalty(x_real, x_fake, labels.roll(1)) != expected

    def test_the_averages_statistics_are_of_classes_as_frequent_as_in_the_data(self):
        """Of one class alone they are those of its images; of others they are not."""
        for labels in (torch.zeros(24).long(), torch.full((24,), 2)):
            averaged: Any = trainer(labels).averaged_generator(n_latents=1_000)
            z = averaged.sample_latent(1_000, rng=seeded())
            embedded = 0.05 * averaged.class_embedding.weight[labels[0]].expand(1_000, -1)
            h = averaged.layers[:2](torch.cat([z, embedded], dim=1))
            norm = averaged.layers[2]
            torch.testing.assert_close(norm.running_mean, h.mean((0, 2, 3)), atol=1e-5, rtol=1e-3)

    def test_snapshots_are_of_all_classes_in_turn(self):
        generator, discriminator = networks()
        result = gan.train(
            generator, discriminator, images(), LABELS, config=CONFIG, snapshots_at=[48],
            progress_bar=False,
        )  # fmt: skip

        labels = torch.arange(64) % N_CLASSES
        samples = result.generator.sample(64, labels, rng=seeded(1))
        torch.testing.assert_close(result.snapshots[48], samples, atol=0.1, rtol=0)

    def test_labels_belong_to_what_tells_a_run_from_another(self, tmp_path):
        options: dict[str, Any] = {
            "config": CONFIG,
            "checkpoint_folder": tmp_path,
            "progress_bar": False,
        }
        gan.train(*networks(), images(), LABELS, **options)
        with pytest.raises(ValueError, match=r"its data .* is wanted"):
            gan.train(*networks(), images(), LABELS.roll(1), **options)

    def test_a_class_is_learned(self):
        """Dark, grey and bright images: asked for one, the generator draws it."""
        levels = torch.tensor([-0.8, 0.0, 0.8])
        labels = torch.arange(600) % N_CLASSES
        rows = levels[labels].view(-1, 1, 1, 1) + 0.1 * torch.randn(600, *SHAPE, generator=seeded())
        config = dataclasses.replace(CONFIG, n_images=9_600, batch_size=32, flat_until=0.2)
        # The class is nearly all there is to learn here, so its vector may be larger than usual.
        _, discriminator = networks()
        torch.manual_seed(0)
        generator = gan.ConvGenerator(dataclasses.replace(GENERATOR, class_scale=0.3))
        result = gan.train(
            generator, discriminator, rows.clamp(-1, 1), labels, config=config, progress_bar=False
        )
        samples = result.generator.sample(300, torch.arange(300) % N_CLASSES, rng=seeded())
        means = samples.mean((1, 2, 3)).view(-1, N_CLASSES).mean(0)
        torch.testing.assert_close(means, levels, atol=0.2, rtol=0)

    def test_a_second_device(self):
        engine = Engine(device="cpu")
        engine.device = second_device.device()
        # The emulated device cannot compute spectral descent's products of stacks.
        config = dataclasses.replace(CONFIG, learning_rate_kernels=0.0)
        generator, discriminator = networks()
        result = gan.train(
            generator, discriminator, images(), LABELS.numpy(), config=config,
            progress_bar=False, engine=engine, snapshots_at=[24],
        )  # fmt: skip
        expected = result.generator.sample(6, LABELS[:6], rng=seeded())
        there = result.generator.to(second_device.device())
        samples = there.sample(6, LABELS[:6], rng=seeded())
        assert samples.device == second_device.device()
        torch.testing.assert_close(samples.cpu(), expected)
        z = there.sample_latent(6, rng=seeded())
        torch.testing.assert_close(decode(there, z, LABELS[:6]), expected)


class TestTruncation:
    """Latents drawn towards the centre."""

    def test_scales_the_radius(self):
        z = torch.randn(5, 64, generator=seeded())
        torch.testing.assert_close(truncate(z, 0.7).norm(dim=1), 0.7 * z.norm(dim=1))
        assert torch.equal(truncate(z, 1), z)
        assert truncate(z, 0).eq(0).all()

    @pytest.mark.parametrize("psi", [-0.1, 1.1, float("nan")])
    def test_psi_outside_of_its_range(self, psi):
        with pytest.raises(ValueError, match="psi must lie between 0"):
            truncate(torch.randn(2, 3), psi)

    def test_latents_that_are_none(self):
        with pytest.raises(ValueError, match="NaN"):
            truncate(torch.full((2, 3), torch.nan), 0.5)
        with pytest.raises(ValueError, match="floating point"):
            inspect.unwrap(truncate)(torch.ones(2, 3).long(), 0.5)
