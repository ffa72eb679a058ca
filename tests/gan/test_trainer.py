"""Training: who learns from what, reproducibility, resuming, failures."""

import copy
import csv
import dataclasses
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from aigc_tutorial import gan
from aigc_tutorial.data import ring
from aigc_tutorial.gan import losses
from aigc_tutorial.gan.recipes import MNIST_MLP
from aigc_tutorial.optim import orthogonalise
from aigc_tutorial.training import CsvTracker, Engine
from tests.training.interrupted import InterruptedEngine

SHAPE = (1, 4, 4)
CONFIG = gan.GANTrainingConfig(n_images=320, batch_size=16, warmup_images=32, penalty_every=4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def networks(
    seed: int = 0, **generator_options: Any
) -> tuple[gan.MLPGenerator, gan.MLPDiscriminator]:
    torch.manual_seed(seed)
    generator = gan.MLPGenerator(
        gan.MLPGeneratorConfig(4, SHAPE, hidden=(8, 8), **generator_options)
    )
    return generator, gan.MLPDiscriminator(gan.MLPDiscriminatorConfig(SHAPE, hidden=(8,)))


@pytest.fixture
def rows():
    return torch.rand(64, *SHAPE, generator=seeded()) * 2 - 1


def trainer(loss, config=CONFIG, **options):
    generator, discriminator = networks(**options)
    return gan.GANTrainer(
        generator,
        discriminator,
        loss=loss,
        config=config,
        rng=seeded(),
        engine=Engine(device="cpu"),
    )


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_each_update_moves_its_own_network_alone(rows):
    player = trainer(losses.NON_SATURATING)
    x_fake = player.generator(player.generator.sample_latent(16, rng=seeded()))
    generator, discriminator = weights(player.generator), weights(player.discriminator)
    _, logits_real = player._update_discriminator(rows[:16], x_fake.detach())
    assert torch.equal(weights(player.generator), generator)
    assert not torch.equal(weights(player.discriminator), discriminator)
    discriminator = weights(player.discriminator)
    player._update_generator(logits_real, x_fake)
    assert not torch.equal(weights(player.generator), generator)
    assert torch.equal(weights(player.discriminator), discriminator)
    assert all(p.grad is None or p.requires_grad for p in player.discriminator.parameters())


@pytest.mark.parametrize(
    ("loss", "looks_at_real_data"), [(losses.NON_SATURATING, False), (losses.RELATIVISTIC, True)]
)
def test_a_generator_sees_real_data_through_a_relativistic_loss_alone(
    rows, loss, looks_at_real_data
):
    after = []
    for x_real in (rows[:16], rows[16:32]):
        player = trainer(loss)
        x_fake = player.generator(player.generator.sample_latent(16, rng=seeded()))
        with torch.no_grad():
            logits_real = player.discriminator(x_real)
        player._update_generator(logits_real, x_fake)
        after.append(weights(player.generator))
    assert torch.equal(*after) != looks_at_real_data


def convolutional_trainer(learning_rate_kernels):
    torch.manual_seed(0)
    generator = gan.ConvGenerator(gan.ConvGeneratorConfig(4, (1, 8, 8), channels=(4, 4)))
    discriminator = gan.ConvDiscriminator(gan.ConvDiscriminatorConfig((1, 8, 8), (4, 6, 8)))
    return gan.GANTrainer(
        generator,
        discriminator,
        loss=losses.RELATIVISTIC,
        config=dataclasses.replace(CONFIG, learning_rate_kernels=learning_rate_kernels),
        rng=seeded(),
        engine=Engine(device="cpu"),
    )


@pytest.mark.parametrize("rate", [0.05, 0.0])
def test_spectral_descent_moves_the_discriminators_kernels_and_adam_the_rest(rate):
    player = convolutional_trainer(rate)
    images = torch.rand(16, 1, 8, 8, generator=seeded()) * 2 - 1
    parameters = dict(player.discriminator.named_parameters())
    before = {name: p.detach().clone() for name, p in parameters.items()}
    player.step(images, progress=0.5)
    for name, parameter in parameters.items():
        step = before[name] - parameter.detach()
        if rate and parameter.ndim == 4:
            step = step.flatten(1)
            expected = rate * orthogonalise(parameter.grad.flatten(1)[None])[0]
        else:  # without momentum, Adam's first step is the rate times the gradient's sign
            expected = CONFIG.learning_rate_discriminator * parameter.grad.sign()
            expected = torch.where(parameter.grad.abs() > 1e-5, expected, step)
        torch.testing.assert_close(step, expected, rtol=1e-2, atol=1e-7, msg=name)


def test_rates_of_both_optimizers_follow_the_schedule():
    player = convolutional_trainer(0.05)
    player._set_learning_rates(1.0)
    optimizers = [player.optimizer_generator, player.optimizer_discriminator]
    parts = [part for optimizer in optimizers for part in optimizer.optimizers]
    rates = [group["lr"] for part in parts for group in part.param_groups]
    tops = [CONFIG.learning_rate_generator, CONFIG.learning_rate_discriminator, 0.05]
    assert rates == pytest.approx([CONFIG.final_learning_rate * top for top in tops])


def test_updates_go_down_their_losses(rows):
    """A small step against the gradient lowers the loss that the step was made for."""
    config = dataclasses.replace(
        CONFIG, r1_gamma=0.0, learning_rate_generator=1e-4, learning_rate_discriminator=1e-4
    )
    player = trainer(losses.NON_SATURATING, config)
    x_real, z = rows[:16], player.generator.sample_latent(16, rng=seeded())

    def loss_discriminator(x_fake):
        both = player.discriminator(torch.cat([x_real, x_fake])).chunk(2)
        return player.loss.discriminator(*both).item()

    x_fake = player.generator(z)
    before = loss_discriminator(x_fake.detach())
    _, logits_real = player._update_discriminator(x_real, x_fake.detach())
    assert loss_discriminator(x_fake.detach()) < before
    before = player.loss.generator(player.discriminator(player.generator(z))).item()
    player._update_generator(logits_real, x_fake)
    assert player.loss.generator(player.discriminator(player.generator(z))).item() < before


def test_penalty_is_weighted_as_in_its_paper(rows):
    config = dataclasses.replace(CONFIG, r1_gamma=0.6, penalty_every=4)
    player = trainer(losses.RELATIVISTIC, config)
    expected = 0.6 / 2 * 4 * gan.penalties.r1_penalty(player.discriminator, rows)
    torch.testing.assert_close(player._penalty(rows, rows), expected)
    player._n_steps = 1  # in between nothing is added
    assert player._penalty(rows, rows) == 0


def test_the_average_moves_by_all_images_since_it_last_moved(rows):
    """Two steps of 16 images: the weights after the second one enter as those of 32 images would.

    The average's first move copies the weights, so it is the second one that tells.
    """
    player = trainer(losses.RELATIVISTIC, dataclasses.replace(CONFIG, ema_every=2))
    averages, after = [weights(player.ema.model)], []
    for i in range(4):
        player.step(rows[16 * (i % 4) :][:16], progress=0.3)
        averages.append(weights(player.ema.model))
        after.append(weights(player.generator))
    assert torch.equal(averages[1], averages[0])
    assert torch.equal(averages[2], after[1])
    assert torch.equal(averages[3], averages[2])
    keeps = 0.5 ** (32 / (CONFIG.ema_ramp_up * 32))
    torch.testing.assert_close(averages[4], keeps * averages[2] + (1 - keeps) * after[3])
    assert player.ema.n_seen == 64


@pytest.mark.parametrize("name", ["batch_size", "penalty_every", "ema_every"])
def test_a_count_of_nothing_is_refused(name):
    nothing: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        gan.GANTrainingConfig(**nothing)


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(rows):
    results = []
    for seed in (3, 3, 4):
        results.append(gan.train(*networks(), rows, config=CONFIG, seed=seed, progress_bar=False))
    same, again, other = (weights(result.generator) for result in results)
    assert torch.equal(same, again)
    assert not torch.equal(same, other)
    assert list(results[0].history.rows()) == list(results[1].history.rows())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_resuming_ends_with_the_same_bits(rows, tmp_path, batch_norm):
    def train(folder, tracker, n_updates=10_000):
        engine = InterruptedEngine(n_updates)
        return gan.train(
            *networks(batch_norm=batch_norm),
            rows,
            loss=losses.RELATIVISTIC,
            config=CONFIG,
            seed=5,
            snapshots_at=[0, 100, 300],
            checkpoint_folder=folder,
            checkpoint_every=64,
            tracker=tracker,
            progress_bar=False,
            engine=engine,
        )

    whole_log, parts_log = (CsvTracker(tmp_path / name) for name in ("whole.csv", "parts.csv"))
    whole = train(tmp_path / "whole", whole_log)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", parts_log, n_updates=26)
    parts = train(tmp_path / "parts", parts_log)
    for name in ("generator", "raw_generator", "discriminator"):
        for key, tensor in getattr(whole, name).state_dict().items():
            assert torch.equal(tensor, getattr(parts, name).state_dict()[key]), (name, key)
    assert list(whole.history.rows()) == list(parts.history.rows())
    assert list(whole.snapshots) == list(parts.snapshots)
    assert all(torch.equal(whole.snapshots[n], parts.snapshots[n]) for n in whole.snapshots)
    assert (tmp_path / "whole.csv").read_text() == (tmp_path / "parts.csv").read_text()
    with (tmp_path / "parts.csv").open() as file:
        assert [int(row["n_images"]) for row in csv.DictReader(file)] == whole.history["n_images"]


def test_a_checkpoint_of_another_run_is_refused(rows, tmp_path):
    arguments: dict[str, Any] = {"checkpoint_folder": tmp_path / "c", "progress_bar": False}
    gan.train(*networks(), rows, config=CONFIG, **arguments)
    other = dataclasses.replace(CONFIG, r1_gamma=7.0)
    with pytest.raises(ValueError, match=r"its config\.r1_gamma is 0\.3, and 7\.0 is wanted"):
        gan.train(*networks(), rows, config=other, **arguments)
    longer = dataclasses.replace(CONFIG, n_images=640)
    with pytest.raises(ValueError, match=r"its config\.n_images is 320, and 640 is wanted"):
        gan.train(*networks(), rows, config=longer, **arguments)
    arguments["config"] = CONFIG
    with pytest.raises(ValueError, match="its seed is 0, and 1 is wanted"):
        gan.train(*networks(), rows, seed=1, **arguments)
    with pytest.raises(ValueError, match=r"its data .* is wanted"):
        gan.train(*networks(), rows.flip(0), **arguments)
    for name in ("generator", "discriminator"):
        changed: dict[str, Any] = {name: lambda *logits: logits[-1].mean()}
        mine = dataclasses.replace(losses.RELATIVISTIC, **changed)
        with pytest.raises(ValueError, match=rf"its loss of the {name} is .*, and .*<lambda>"):
            gan.train(*networks(), rows, loss=mine, **arguments)
    with pytest.raises(ValueError, match="snapshots_at names 32 to 321 images; expected 0 to 320"):
        gan.train(*networks(), rows, snapshots_at=(321, 32), **arguments)
    with pytest.raises(ValueError, match=r"its snapshots_at is \[\], and \[32, 64\] is wanted"):
        gan.train(*networks(), rows, snapshots_at=(64, 32), **arguments)
    with pytest.raises(ValueError, match=r"its initial weights \(build the models anew"):
        gan.train(*networks(seed=1), rows, **arguments)
    with pytest.raises(ValueError, match="its loss is 'relativistic pairing', and 'hinge'"):
        gan.train(*networks(), rows, loss=losses.HINGE, **arguments)
    engine = Engine(device="cpu", mixed_precision="bf16")
    with pytest.raises(ValueError, match="its precision is 'no', and 'bf16'"):
        gan.train(*networks(), rows, engine=engine, **arguments)


def test_several_critic_updates_use_data_of_their_own(rows):
    config = dataclasses.replace(
        CONFIG, n_discriminator_updates=2, gradient_penalty=10.0, r1_gamma=0.0, betas=(0.0, 0.9)
    )
    result = gan.train(
        *networks(), rows, loss=losses.WASSERSTEIN, config=config, progress_bar=False
    )
    assert result.n_images == 320
    n_rows = 320 // (2 * config.batch_size)
    assert result.history.n_rows == n_rows


def test_pixels_outside_the_range_of_tanh_are_refused(rows):
    with pytest.raises(ValueError, match=r"must lie in \[-1, 1\]"):
        gan.train(*networks(), rows * 255, config=CONFIG, progress_bar=False)


def test_shapes_that_do_not_fit_are_refused(rows):
    with pytest.raises(ValueError, match="same shape per sample"):
        gan.train(*networks(), rows.flatten(1), config=CONFIG, progress_bar=False)


def test_averaged_generator_has_statistics_of_its_own(rows):
    """Its batch normalisation is measured on the averaged weights, not copied from training."""
    player = trainer(losses.RELATIVISTIC, batch_norm=True)
    for step in range(10):
        player.step(rows[:16], step / 20)
    averaged = player.averaged_generator(n_latents=5_000)
    latents = averaged.sample_latent(5_000, rng=torch.Generator().manual_seed(0))
    hidden = averaged.layers[:3](latents)  # linear, activation, linear: what is normalised
    torch.testing.assert_close(
        averaged.layers[3].running_mean, hidden.mean(0), atol=1e-4, rtol=1e-3
    )


def test_a_ring_is_learned():
    """All eight modes of a ring, none of them rare, after a few thousand small steps."""
    target = ring(8, std=0.1)
    rows = target.sample(4_000, rng=seeded())
    torch.manual_seed(0)
    generator = gan.MLPGenerator(gan.MLPGeneratorConfig(4, (2,), hidden=(32, 32), bounded=False))
    discriminator = gan.MLPDiscriminator(gan.MLPDiscriminatorConfig((2,), hidden=(32, 32)))
    config = gan.GANTrainingConfig(
        n_images=150_000,
        batch_size=128,
        learning_rate_generator=2e-3,
        betas=(0.5, 0.99),
        r1_gamma=0.1,
        r2_gamma=0.1,
        penalty_every=1,
        ema_half_life_images=5_000,
    )
    result = gan.train(generator, discriminator, rows, config=config, progress_bar=False)
    samples = result.generator.sample(2_000, rng=seeded())
    near = target.is_high_quality(samples, n_std=3)
    shares = torch.bincount(target.assign_modes(samples[near]), minlength=8) / len(samples)
    # Four seeds gave 0.53 to 0.56 near a mode, and 0.031 to 0.047 for the rarest one.
    assert near.float().mean() > 0.4
    assert shares.min() > 0.015


class Quadratic(gan.MLPDiscriminator):
    """a(x) = w·|x|² / 2 scored per sample: its gradient w·x differs from place to place."""

    def __init__(self) -> None:
        super().__init__(gan.MLPDiscriminatorConfig(SHAPE, hidden=(1,)))
        self.layers = torch.nn.Sequential()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * self.scale * x.flatten(1).square().sum(1)


def quadratic_player(**changes: Any) -> gan.GANTrainer:
    config = dataclasses.replace(CONFIG, **{"r1_gamma": 0.0, **changes})
    return gan.GANTrainer(
        networks()[0],
        Quadratic(),
        loss=losses.WASSERSTEIN,
        config=config,
        rng=seeded(),
        engine=Engine(device="cpu"),
    )


def test_r2_is_half_of_its_weight_and_taken_at_generated_samples(rows):
    x_real, x_fake = rows[:16], rows[16:32] / 2
    penalty = quadratic_player(r2_gamma=0.6, penalty_every=4)._penalty(x_real, x_fake)
    expected = 0.6 / 2 * 4 * (2.0 * x_fake).flatten(1).square().sum(1).mean()
    torch.testing.assert_close(penalty.detach(), expected)


def test_wgan_gp_has_its_weight_and_is_measured_between_real_and_generated(rows):
    """With samples that are multiples of one image, the norm between them is known."""
    unit = rows[:1] / rows[:1].norm()
    player = quadratic_player(gradient_penalty=10.0)
    penalty = player._penalty(3 * unit.expand(16, *SHAPE), unit.expand(16, *SHAPE))
    u = torch.rand(16, 1, 1, 1, generator=seeded()).flatten()
    norms = 2.0 * (3 * u + (1 - u))
    torch.testing.assert_close(penalty.detach(), 10 * (norms - 1).square().mean())


@pytest.mark.parametrize("progress", [0.05, 0.5, 1.0])
def test_both_networks_move_by_the_rate_of_the_schedule(rows, progress):
    """Without momentum the first step of Adam is the rate, in the direction of the sign."""
    player = trainer(losses.NON_SATURATING)
    before = {name: weights(getattr(player, name)) for name in ("generator", "discriminator")}
    player.step(rows[:16], progress)
    factor = min(progress / 0.1, 1.0) if progress < 0.5 else {0.5: 1.0, 1.0: 0.02}[progress]
    for name, old in before.items():
        rate = getattr(CONFIG, f"learning_rate_{name}")
        step = (weights(getattr(player, name)) - old).abs().max()
        assert step.item() == pytest.approx(factor * rate, rel=1e-2), name


def test_every_critic_update_sees_its_own_part_of_the_batch(rows, monkeypatch):
    config = dataclasses.replace(CONFIG, n_discriminator_updates=3)
    player, seen = trainer(losses.WASSERSTEIN, config), []
    update = player._update_discriminator

    def spy(x_real, x_fake, labels):
        seen.append((x_real, x_fake))
        return update(x_real, x_fake, labels)

    monkeypatch.setattr(player, "_update_discriminator", spy)
    player.step(rows[:48], 0.5)
    assert torch.equal(torch.cat([x_real for x_real, _ in seen]), rows[:48])
    assert not torch.equal(seen[0][1], seen[1][1])


def test_the_history_tells_real_from_generated(rows):
    """D(x) is the probability of the real images, D(G(z)) that of the generated ones."""
    player = trainer(losses.NON_SATURATING)
    x_fake = rows[16:32] * 0.1
    with torch.no_grad():
        real, fake = (player.discriminator(x).sigmoid().mean() for x in (rows[:16], x_fake))
    scalars, _ = player._update_discriminator(rows[:16], x_fake)
    assert not torch.isclose(real, fake)
    torch.testing.assert_close(scalars["probability_real"], real)
    torch.testing.assert_close(scalars["probability_fake"], fake)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(
    "penalty", [{"r1_gamma": 0.5}, {"r2_gamma": 0.5}, {"gradient_penalty": 10.0}], ids=str
)
def test_every_penalty_in_lower_precision_is_that_of_full_precision(rows, precision, penalty):
    """The networks compute in fewer digits; losses, penalties and their gradients do not."""
    config = dataclasses.replace(CONFIG, **{"r1_gamma": 0.0, "penalty_every": 1, **penalty})
    gradients, calls = [], {}
    for name in ("no", precision):
        generator, discriminator = networks()
        player = gan.GANTrainer(
            generator, discriminator, loss=losses.NON_SATURATING, config=config, rng=seeded(),
            engine=Engine(device="cpu", mixed_precision=name),
        )  # fmt: skip
        dtypes: dict[str, list[torch.dtype]] = {"G": [], "D": []}
        calls[name] = dtypes
        generator.register_forward_hook(lambda *call, to=dtypes["G"]: to.append(call[2].dtype))
        discriminator.register_forward_hook(lambda *call, to=dtypes["D"]: to.append(call[2].dtype))
        scalars = player.step(rows[:16], 0.5)
        assert all(value.dtype == torch.float32 for value in scalars.values())
        parameters = list(discriminator.parameters())
        gradients.append(torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]))
    low = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    full = torch.float32
    assert calls["no"] == {"G": [full], "D": [full] * 3}
    # The discriminator is called in its own turn, by the penalty, and in the generator's turn.
    assert calls[precision] == {"G": [low], "D": [low, full, low]}
    error = (gradients[1] - gradients[0]).norm() / gradients[0].norm()
    assert error < 0.05


def test_frozen_layers_stay_frozen_and_the_others_learn(rows):
    player = trainer(losses.NON_SATURATING)
    frozen = {}
    for network in (player.generator, player.discriminator):
        parameter = next(network.parameters()).requires_grad_(False)
        frozen[parameter] = parameter.detach().clone()
    before = weights(player.discriminator)
    for _ in range(2):
        player.step(rows[:16], 0.5)
    for parameter, value in frozen.items():
        assert torch.equal(parameter, value)
        assert not parameter.requires_grad
    assert not torch.equal(weights(player.discriminator), before)
    flags = [p.requires_grad for p in player.averaged_generator().parameters()]
    assert flags == [p.requires_grad for p in player.generator.parameters()]


@pytest.mark.parametrize("every", [7, 10_000])
def test_the_last_steps_are_in_the_average_however_seldom_it_moves(rows, every):
    """An average that never moved would be the untrained generator."""
    config = dataclasses.replace(CONFIG, ema_every=every, n_images=128, ema_half_life_images=1e-3)
    result = gan.train(*networks(), rows, config=config, progress_bar=False)
    assert torch.equal(weights(result.generator), weights(result.raw_generator))


class WithMask(gan.MLPGenerator):
    """Drops units at random; its mask of the future, as attention has one, is made below."""

    def forward(self, z):
        return torch.nn.functional.dropout(super().forward(z), 0.3, self.training)


def test_dropout_follows_from_the_seed_and_a_resumed_run_draws_the_same(rows, tmp_path):
    def train(folder, n_updates=10_000, seed=5):
        generator, discriminator = networks()
        generator.__class__ = WithMask
        generator.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))
        torch.rand(int(torch.randint(100, ())))  # whatever was drawn before
        return gan.train(
            generator, discriminator, rows, config=CONFIG, seed=seed, checkpoint_folder=folder,
            checkpoint_every=96, progress_bar=False, engine=InterruptedEngine(n_updates),
        ).raw_generator.state_dict()  # fmt: skip

    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", n_updates=14)
    parts = train(tmp_path / "parts")
    for key, tensor in whole.items():
        assert torch.equal(tensor, parts[key]), key


def test_batch_norms_that_the_caller_froze_keep_their_statistics(rows):
    player = trainer(losses.RELATIVISTIC, batch_norm=True)
    norm = player.generator.layers[3].eval()
    norm.running_mean.fill_(3.0)
    player.step(rows[:16], 0.5)
    averaged = player.averaged_generator()
    assert torch.equal(averaged.layers[3].running_mean, torch.full((8,), 3.0))
    assert not any(module.training for module in averaged.modules())


class NormedWithDropout(gan.Generator):
    """Has what draws in training mode, what draws in both modes, and statistics to measure."""

    config_class = gan.MLPGeneratorConfig

    def __init__(self) -> None:
        super().__init__(gan.MLPGeneratorConfig(4, SHAPE))
        self.first = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5))
        self.last = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Tanh())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        features = self.first(z)
        noisy = features + 0.1 * torch.randn(features.shape)
        return self.last(noisy).unflatten(1, SHAPE)


def test_looking_at_a_training_changes_nothing_and_follows_from_the_seed(rows):
    def train(state, snapshots_at):
        torch.manual_seed(0)
        generator, discriminator = NormedWithDropout(), networks()[1]
        before = torch.manual_seed(state).get_state()
        result = gan.train(
            generator, discriminator, rows, config=CONFIG, snapshots_at=snapshots_at,
            progress_bar=False, engine=Engine(device="cpu"),
        )  # fmt: skip
        assert torch.equal(torch.get_rng_state(), before)
        return result

    first, other, looked_at = train(1, ()), train(2, ()), train(1, (0, 96, 320))
    for result in (other, looked_at):
        assert result.history["loss_generator"] == first.history["loss_generator"]
        for kind in ("generator", "raw_generator"):
            tensors = (getattr(r, kind).state_dict().values() for r in (first, result))
            assert all(torch.equal(*pair) for pair in zip(*tensors, strict=True)), kind


def test_statistics_are_those_of_the_network_in_use(rows):
    """Dropout sleeps while they are measured: it would make the second norm's variances larger."""
    player = trainer(losses.RELATIVISTIC)
    torch.manual_seed(0)
    generator = NormedWithDropout()
    player = gan.GANTrainer(
        generator, player.discriminator, loss=losses.RELATIVISTIC, config=CONFIG, rng=seeded(),
        engine=Engine(device="cpu"),
    )  # fmt: skip
    before = torch.get_rng_state()
    averaged: Any = player.averaged_generator()
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        met = averaged.last[0](averaged.first(averaged.sample_latent(5_000, rng=seeded())))
    expected = met.var(0) + 0.01 * averaged.last[0].weight.square().sum(1)  # and of the noise
    torch.testing.assert_close(averaged.last[1].running_var, expected, rtol=0.02, atol=0)
    assert generator.training
    assert generator.first[3].training


@pytest.mark.parametrize("n_latents", [2, 501])
def test_no_number_of_latents_leaves_a_batch_of_one(rows, n_latents):
    player = trainer(losses.RELATIVISTIC, batch_norm=True)
    player.step(rows[:16], 0.5)
    assert player.averaged_generator(n_latents).layers[3].running_var.isfinite().all()


class Convolutions(gan.Discriminator):
    """A discriminator of kernels alone; with ``normed``, as weight normalisation keeps them."""

    config_class = gan.ConvDiscriminatorConfig

    def __init__(self, normed: bool) -> None:
        super().__init__(gan.ConvDiscriminatorConfig(image_shape=(1, 8, 8)))
        first = torch.nn.Conv2d(1, 4, 4, 2, 1, bias=False)
        self.layers = torch.nn.Sequential(
            weight_norm(first) if normed else first,
            torch.nn.LeakyReLU(0.2),
            torch.nn.Conv2d(4, 1, 4, bias=False),
            torch.nn.Flatten(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).squeeze(1)


@pytest.mark.parametrize("normed", [False, True])
def test_all_weights_of_a_discriminator_of_convolutions_alone_move(normed):
    torch.manual_seed(0)
    generator = gan.MLPGenerator(gan.MLPGeneratorConfig(4, (1, 8, 8), hidden=(8,)))
    discriminator = Convolutions(normed)
    before = [p.detach().clone() for p in discriminator.parameters()]
    images = torch.rand(32, 1, 8, 8, generator=seeded()) * 2 - 1
    gan.train(generator, discriminator, images, config=CONFIG, progress_bar=False)
    for old, new in zip(before, discriminator.parameters(), strict=True):
        assert not torch.equal(old, new)


def test_a_copy_of_a_training_goes_on_alone(rows):
    player = trainer(losses.RELATIVISTIC)
    player.step(rows[:16], 0.4)
    other = copy.deepcopy(player)
    player.step(rows[16:32], 0.5)
    moved = weights(player.generator)
    assert not torch.equal(weights(other.generator), moved)
    other.step(rows[16:32], 0.5)
    assert torch.equal(weights(other.generator), moved)
    assert torch.equal(weights(other.ema.model), weights(player.ema.model))


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_a_training_in_a_block_without_gradients_is_the_same(rows, off):
    expected = gan.train(*networks(), rows, config=CONFIG, progress_bar=False)
    pair = networks()
    with off():
        found = gan.train(*pair, rows, config=CONFIG, progress_bar=False)
    assert torch.equal(weights(found.raw_generator), weights(expected.raw_generator))


def test_weights_must_be_of_one_precise_type(rows):
    for generator_type, discriminator_type in [
        (torch.bfloat16, torch.bfloat16),
        (torch.float64, torch.float32),
    ]:
        generator, discriminator = networks()
        with pytest.raises(ValueError, match=r"of one type, .* convert them by \.float\(\)"):
            gan.train(
                generator.to(generator_type),
                discriminator.to(discriminator_type),
                rows,
                config=CONFIG,
                progress_bar=False,
            )


def test_the_weights_of_a_recipe_touch_no_state_of_a_gpu(monkeypatch):
    touched: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", touched.append)
    state = torch.get_rng_state()
    MNIST_MLP.networks(seed=3)
    assert touched == []
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_is_measured_twice_after_one_step(rows):
    """Whoever takes the images of ``validate_every`` for steps would wait for hours."""
    measured = []

    def validation(generator):
        measured.append(generator)
        return 1.0

    result = gan.train(
        *networks(),
        rows,
        config=CONFIG,
        validation=validation,
        validate_every=4,
        snapshots_at=[3, 8, 12, 16],
        progress_bar=False,
    )
    assert result.validation["n_images"] == list(range(16, 321, 16))
    assert len(measured) == 20
    assert list(result.snapshots) == [16]


def test_a_batch_may_come_from_a_loader_as_a_list(rows):
    """With labels a ``DataLoader`` yields lists."""
    labels, moved = torch.arange(16) % 3, []
    for kind in (tuple, list):
        torch.manual_seed(0)
        player = gan.GANTrainer(
            gan.ConvGenerator(gan.ConvGeneratorConfig(4, SHAPE, (4, 4), n_classes=3)),
            gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(SHAPE, (4, 4, 4), n_classes=3)),
            loss=losses.RELATIVISTIC,
            config=CONFIG,
            rng=seeded(),
            engine=Engine(device="cpu"),
            labels=labels,
        )
        player.step(kind((rows[:16], labels)), 0.5)
        moved.append(weights(player.generator))
    assert torch.equal(*moved)


@pytest.mark.parametrize(
    ("own", "error", "message"),
    [
        (lambda a: a, ValueError, r"one number for the batch, got \(16,\) of them.*losses.mean"),
        (lambda a: a.mean().item(), TypeError, "must return a tensor with one number, got float"),
        (lambda a: a.detach().mean(), ValueError, "has no gradient, and nothing would be learned"),
    ],
)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_loss_from_which_nothing_can_be_learned_is_told(rows, player, own, error, message):
    """Detached, and with a penalty at each step, the discriminator learned to be flat alone."""
    one = losses.WASSERSTEIN
    if player == "discriminator":
        loss = dataclasses.replace(one, discriminator=lambda real, fake: own(fake - real))
    else:
        loss = dataclasses.replace(one, generator=lambda fake: own(-fake))
    config = dataclasses.replace(CONFIG, penalty_every=1)
    with pytest.raises(error, match=f"the loss of the {player} .*{message}"):
        gan.train(*networks(), rows, loss=loss, config=config, progress_bar=False)
