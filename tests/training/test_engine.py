"""The engine: devices, precisions, frozen layers; several processes are in test_processes."""

import copy
import math
from typing import cast

import pytest
import torch
from torch import distributed, nn

from aigc_tutorial.training import Engine
from aigc_tutorial.training import engine as engine_module
from aigc_tutorial.training.engine import DefaultRandomness


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_it_minimises():
    parameter = nn.Parameter(torch.tensor([3.0]))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    engine = Engine(device="cpu")
    for _ in range(2):  # gradients of the first step must not leak into the second
        engine.minimise((parameter.square() / 2).sum(), optimizer)
    assert parameter.item() == pytest.approx(3.0 * 0.9**2)


@pytest.mark.parametrize("device", ["cuda:3", "mps", "xpu"])
def test_a_device_that_is_not_there_is_refused(device):
    here = torch.accelerator.current_accelerator(check_available=True)
    device = device if here is None else f"{here.type}:99"
    with pytest.raises(ValueError, match=r"torch sees no device .*; accelerators found: "):
        Engine(device=device)


@pytest.mark.parametrize("device", ["gpu", "cuda:x"])
def test_what_is_no_device_is_refused(device):
    with pytest.raises(ValueError, match="names no device"):
        Engine(device=device)


def test_a_precision_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="must be one of no, bf16, fp16"):
        Engine(mixed_precision="fp8")


@pytest.mark.parametrize(
    ("found", "wanted", "n_processes", "chosen"),
    [
        (None, None, 1, "cpu"),
        ("cuda", None, 1, "cuda"),
        ("cuda", "cpu", 1, "cpu"),
        ("cuda", "cuda", 1, "cuda"),
        ("cuda", "cuda:1", 1, "cuda:1"),
        ("mps", "mps", 1, "mps"),
        ("cuda", None, 2, "cuda:1"),
        ("cuda", "cuda", 2, "cuda:1"),
        ("cuda", "cuda:0", 2, "cuda:0"),
    ],
)
def test_the_device_is_the_one_asked_for(monkeypatch, found, wanted, n_processes, chosen):
    """As on a machine with two GPUs, whichever this one has."""
    here = None if found is None else torch.device(found)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: here)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert engine_module._device(wanted, 1, n_processes) == torch.device(chosen)


def test_engines_of_different_precision_stand_side_by_side():
    layer, x = nn.Linear(4, 4), torch.ones(2, 4)
    dtypes = {}
    for name in ("no", "bf16", "fp16", "no"):
        with Engine(device="cpu", mixed_precision=name).autocast():
            dtypes[name] = layer(x).dtype
    assert dtypes == {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def test_in_fp16_a_step_is_that_of_the_true_gradient():
    """The scale of the loss is taken out before the gradient is used, or measured for clipping."""
    network = nn.Linear(8, 1, bias=False)
    x, steps = torch.rand(16, 8, generator=seeded()), []
    for precision in ("no", "fp16"):
        model = copy.deepcopy(network)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        engine = Engine(device="cpu", mixed_precision=precision)
        with engine.autocast():
            y = model(x)
        engine.minimise(y.float().square().mean(), optimizer)
        steps.append(model.weight.detach() - network.weight.detach())
        gradient = model.weight.grad
        assert gradient is not None
        torch.testing.assert_close(steps[-1], -0.1 * gradient)
    torch.testing.assert_close(steps[1], steps[0], rtol=1e-2, atol=1e-4)


def test_in_fp16_a_step_that_overflows_is_left_out_and_the_scale_is_lowered():
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    engine = Engine(device="cpu", mixed_precision="fp16")
    before = engine.state_dict()["scale"]
    engine.minimise((parameter * torch.tensor(math.inf)).sum(), optimizer)
    assert parameter.item() == 1.0
    assert engine.state_dict()["scale"] == before / 2
    other = Engine(device="cpu", mixed_precision="fp16")
    other.load_state_dict(engine.state_dict())
    assert other.state_dict() == engine.state_dict()
    engine.minimise(parameter.square().sum(), optimizer)
    assert parameter.item() == pytest.approx(0.8)


def test_a_model_in_evaluation_mode_is_woken_and_a_sleeping_part_is_not():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval()
    assert all(module.training for module in Engine(device="cpu").prepare(model).modules())
    model[1].eval()
    Engine(device="cpu").prepare(model)
    assert [module.training for module in model.modules()] == [True, True, False]


def test_wrapped_and_frozen_models_are_refused():
    engine = Engine(device="cpu")
    with pytest.raises(TypeError, match=r"model\.compile\(\)"):
        engine.prepare(cast(nn.Module, torch.compile(nn.Linear(2, 2), backend="eager")))
    with pytest.raises(TypeError, match=r"model\.module"):
        engine.prepare(nn.DataParallel(nn.Linear(2, 2)))
    with pytest.raises(ValueError, match="the Linear has no parameter that can be trained"):
        engine.prepare(nn.Linear(2, 2).requires_grad_(False))


def test_an_engine_changes_nothing_of_the_process():
    """Neither how denormal numbers are treated nor the number of threads nor a default."""
    tiny = torch.tensor(1e-40)
    before = (torch.get_default_device(), torch.get_num_threads(), (tiny * 1).item())
    Engine(device="cpu", mixed_precision="bf16")
    assert (torch.get_default_device(), torch.get_num_threads(), (tiny * 1).item()) == before
    assert (tiny * 1).item() > 0


def test_in_fp16_gradients_that_are_always_nan_end_the_training():
    parameters = [nn.Parameter(torch.tensor([1.0])) for _ in range(2)]
    sound, unsound = (torch.optim.SGD([parameter], lr=0.1) for parameter in parameters)
    engine = Engine(device="cpu", mixed_precision="fp16")

    def minimise(factor, optimizer):
        engine.minimise((optimizer.param_groups[0]["params"][0] * factor).sum(), optimizer)

    minimise(1.0, sound)
    engine.check_steps()
    minimise(math.nan, unsound)
    with pytest.raises(FloatingPointError, match="none of 1 steps in fp16 was taken"):
        engine.check_steps()
    for _ in range(30):
        minimise(1.0, sound)
        minimise(math.nan, unsound)
    with pytest.raises(FloatingPointError, match="32 steps in fp16 were left out one after"):
        minimise(math.nan, unsound)


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_no_other_autocast_may_be_around_a_training(precision):
    engine = Engine(device="cpu", mixed_precision=precision)
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        pytest.raises(RuntimeError, match="leave that context"),
    ):
        engine.autocast()


def test_weights_are_cast_anew_within_an_autocast_that_is_switched_off():
    layer, engine = nn.Linear(1, 1, bias=False), Engine(device="cpu", mixed_precision="bf16")
    with torch.autocast("cpu", enabled=False):
        for value in (1.0, 2.0):
            nn.init.constant_(layer.weight, value)
            with engine.autocast():
                assert layer(torch.ones(1, 1)).item() == value


def test_a_number_left_over_without_a_count_is_that_of_a_single_process(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "1")
    assert Engine(device="cpu").is_main
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert Engine(device="cpu").is_main
    for n_processes, rank in (("two", "0"), ("2", "2"), ("2", ""), ("0", "0"), ("2", "-1")):
        monkeypatch.setenv("WORLD_SIZE", n_processes)
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(ValueError, match="do not describe one of several processes"):
            Engine(device="cpu")


def test_a_gradient_that_one_process_lacks_is_zero_there(monkeypatch):
    """Of three parts this process used the first, another one the first two, nobody the third."""
    parts = [
        nn.Parameter(torch.zeros(2)),
        nn.Parameter(torch.zeros(3)),
        nn.Parameter(torch.zeros(1)),
    ]
    frozen = nn.Parameter(torch.zeros(4), requires_grad=False)
    parts[0].grad = torch.tensor([1.0, 2.0])
    of_other = torch.tensor([1.0, 1.0, 0.0, 3.0, -2.0, 4.0, 6.0, 8.0, 0.0])  # flags, then gradients

    def add_other(flat):
        flat += of_other

    monkeypatch.setattr(distributed, "all_reduce", add_other)
    engine_module._average_gradients([*parts, frozen], 2)
    assert parts[0].grad.tolist() == [2.0, 0.0]
    assert parts[1].grad is not None
    assert parts[1].grad.tolist() == [2.0, 3.0, 4.0]
    assert parts[2].grad is None
    assert frozen.grad is None


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_trainings_that_overlap_leave_torchs_generators_as_they_were(first_ends_first):
    """In two threads the one that began first need not be the last to end."""
    before = torch.get_rng_state()
    contexts = [DefaultRandomness(torch.device("cpu")).seeded(seed) for seed in (1, 2)]
    for context in contexts:
        context.__enter__()
    drawn = torch.rand(3)
    for context in contexts if first_ends_first else reversed(contexts):
        context.__exit__(None, None, None)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(2)))


def test_a_model_without_values_is_not_trained():
    with pytest.raises(ValueError, match="the Linear is on the meta device, which holds no values"):
        Engine(device="cpu").prepare(nn.Linear(1, 1, device="meta"))


@torch.no_grad()
def narrowed(is_view: bool) -> nn.Linear:
    layer = nn.Linear(4, 6, bias=False)
    whole = torch.randn(6, 8, generator=seeded())
    layer.weight = nn.Parameter(whole[:, :4] if is_view else whole[:, :4].clone())
    return layer


def test_a_narrowed_layer_is_trained_as_one_of_its_own():
    """Torch's fused Adam took the columns that had been cut off for some of the weight's."""
    x = torch.randn(5, 4, generator=seeded(1))
    ends = []
    for is_view in (False, True):
        layer = Engine(device="cpu").prepare(narrowed(is_view))
        optimizer = torch.optim.Adam(layer.parameters(), 0.1, fused=True)
        for _ in range(3):
            Engine(device="cpu").minimise(layer(x).sin().sum(), optimizer)
        ends.append(layer.weight.detach())
    assert torch.equal(*ends)


def test_what_was_built_in_inference_mode_is_told():
    with torch.inference_mode():
        layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"built within torch\.inference_mode"):
        Engine(device="cpu").prepare(layer)
