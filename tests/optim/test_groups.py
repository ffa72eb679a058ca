"""Every parameter has one optimizer, and the right one."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from aigc_tutorial import ar
from aigc_tutorial.optim import JointOptimizer, Muon, layer_weights, split_parameters


class Mixed(nn.Module):
    """One layer of each kind; the number of symbols is the width too."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(width, width)
        self.positions = nn.Parameter(torch.zeros(width, width))
        self.recurrent = nn.LSTM(width, width)
        self.convolution = spectral_norm(nn.Conv2d(width, width, 3))
        self.hidden = nn.Linear(width, width)
        self.again = nn.Linear(width, width)
        self.again.weight = self.hidden.weight
        self.tied = nn.Linear(width, width)
        self.tied.weight = self.embedding.weight
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, width)

    def symbol_layers(self) -> tuple[nn.Module, ...]:
        return (self.head,)


def hidden_names(model: nn.Module) -> set[str]:
    """Names of the hidden matrices; all parameters are in one of the groups, once."""
    matrices, others = split_parameters(model)
    names = {id(p): name for name, p in model.named_parameters()}
    assert sorted(map(id, matrices + others)) == sorted(names)
    return {names[id(p)] for p in matrices}


def test_hidden_matrices_are_told_from_the_rest():
    assert hidden_names(Mixed()) == {
        "recurrent.weight_ih_l0",
        "recurrent.weight_hh_l0",
        "convolution.parametrizations.weight.original",
        "hidden.weight",
    }


def test_a_declared_layer_is_part_of_the_model():
    model = Mixed()
    model.symbol_layers = lambda: (nn.Linear(2, 2),)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="names a layer that is not in the model"):
        split_parameters(model)


def test_parameters_are_counted_so_that_none_is_lost_or_double():
    class Hiding(Mixed):
        def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
            return (p for p in super().parameters(recurse) if p is not self.hidden.weight)

    with pytest.raises(RuntimeError, match=r"parameters of Hiding .* some are lost or double"):
        split_parameters(Hiding())


def test_a_model_must_say_what_its_head_is():
    class Silent(ar.AutoregressiveModel):
        config_class = ar.WindowConfig

    with pytest.raises(NotImplementedError, match="Silent must say which layer makes its logits"):
        split_parameters(Silent(ar.WindowConfig(5)))


def test_cells_and_attention_of_torch_have_hidden_matrices():
    model = nn.ModuleDict(
        {
            "cell": nn.LSTMCell(3, 4),
            "attention": nn.MultiheadAttention(4, 2, add_bias_kv=True),
            "other_width": nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
            "transposed": nn.ConvTranspose2d(3, 4, 3),
        }
    )
    assert hidden_names(model) == {
        "cell.weight_ih",
        "cell.weight_hh",
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "other_width.q_proj_weight",
        "other_width.k_proj_weight",
        "other_width.v_proj_weight",
        "other_width.out_proj.weight",
    }


def test_lengths_and_directions_of_weight_normalisation_are_no_matrices():
    model = nn.Sequential(weight_norm(nn.Conv2d(2, 3, 3)), nn.Conv2d(3, 4, 3))
    assert hidden_names(model) == {"1.weight"}
    assert layer_weights(model, nn.Conv2d) == [model[1].weight]


def test_weights_of_layers_of_one_kind():
    model = Mixed()
    (kernel,) = layer_weights(model, nn.Conv2d)
    assert kernel is dict(model.named_parameters())["convolution.parametrizations.weight.original"]
    assert len(layer_weights(model, nn.Linear)) == 3  # hidden and again share one


MODELS: dict[str, Any] = {
    "window": lambda v: ar.WindowModel(ar.WindowConfig(v)),
    "rnn": lambda v: ar.RecurrentModel(ar.RecurrentConfig(v, cell="rnn")),
    "gru": lambda v: ar.RecurrentModel(ar.RecurrentConfig(v, cell="gru")),
    "lstm": lambda v: ar.RecurrentModel(ar.RecurrentConfig(v, n_layers=2)),
    "wavenet": lambda v: ar.WaveNet(ar.WaveNetConfig(v)),
    "transformer": lambda v: ar.Transformer(ar.TransformerConfig(v)),
    "tied": lambda v: ar.Transformer(ar.TransformerConfig(v, tie_embeddings=True)),
    "gpt2": lambda v: ar.GPT2(ar.GPT2Config(v, context=24, n_layers=1, n_heads=2, width=64)),
    "pixelcnn": lambda v: ar.PixelCNN(ar.PixelCNNConfig(n_levels=v, n_classes=10)),
}


def split_by_size(model: nn.Module, vocab_size: int) -> set[str]:
    """Hidden matrices by their shapes, which is right where V is the size of nothing else."""
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.RNNBase)
    return {
        f"{name}.{of}"
        for name, module in model.named_modules()
        if isinstance(module, kinds)
        for of, parameter in module.named_parameters(recurse=False)
        if parameter.ndim >= 2 and vocab_size not in parameter.shape[:2]
    }


@pytest.mark.parametrize("name", MODELS)
def test_the_head_is_told_by_its_module_and_not_by_its_size(name):
    """V = 11 is no width; with V equal to any of the model's sizes the split is the same."""
    model = MODELS[name](11)
    expected = hidden_names(model)
    assert expected == split_by_size(model, 11)
    assert expected
    sizes = {n for p in model.parameters() for n in p.shape if 2 <= n <= 600} - {11}
    for vocab_size in sizes:
        assert hidden_names(MODELS[name](vocab_size)) == expected, vocab_size


def test_a_model_of_frames_has_hidden_layers_alone():
    names = hidden_names(ar.FrameModel())
    assert names == {n for n, p in ar.FrameModel().named_parameters() if p.ndim == 4}


def small(name: str, v: int) -> Any:
    return {
        "window": lambda: ar.WindowModel(ar.WindowConfig(v, 3, embedding_dim=4, hidden_dim=6)),
        "lstm": lambda: ar.RecurrentModel(ar.RecurrentConfig(v, "lstm", 4, 6)),
        "wavenet": lambda: ar.WaveNet(ar.WaveNetConfig(v, width=4, n_layers=2)),
        "transformer": lambda: ar.Transformer(
            ar.TransformerConfig(v, context=8, n_layers=1, n_heads=2, width=8)
        ),
        "gpt2": lambda: ar.GPT2(ar.GPT2Config(v, context=8, n_layers=1, n_heads=2, width=8)),
        "pixelcnn": lambda: ar.PixelCNN(
            ar.PixelCNNConfig((4, 4), v, width=4, n_layers=1, first_kernel_size=3)
        ),
    }[name]()


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("name", ["window", "lstm", "wavenet", "transformer", "gpt2", "pixelcnn"])
def test_training_with_as_many_symbols_as_a_width(name, optimizer):
    sizes = {n for p in small(name, 11).parameters() for n in p.shape if 2 <= n <= 32} - {11}
    assert len(sizes) > 1
    for v in sizes:
        torch.manual_seed(0)
        model = small(name, v)
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        shape = (32, 4, 4) if name == "pixelcnn" else (32, 8)
        data = torch.randint(v, shape, generator=torch.Generator().manual_seed(0))
        config = ar.ARTrainingConfig(
            n_tokens=3_000, batch_size=16, optimizer=optimizer, warmup_tokens=100
        )
        result = ar.train(model, data, config=config, progress_bar=False)
        assert result.history["loss"][-1] < result.history["loss"][0], v
        # Weights that begin with no gradient (those below a head of zeros) move later.
        moved = {n for n, p in result.raw_model.named_parameters() if not torch.equal(p, before[n])}
        assert moved == set(before), v


def test_a_model_without_hidden_matrices_is_trained():
    class Bigram(ar.AutoregressiveModel):
        config_class = ar.WindowConfig

        def __init__(self, config: ar.WindowConfig) -> None:
            super().__init__(config)
            self.table = nn.Embedding(config.vocab_size, config.vocab_size)

        def symbol_layers(self) -> tuple[nn.Module, ...]:
            return ()

        def forward(self, tokens: Tensor) -> Tensor:
            return self.table(tokens)

    torch.manual_seed(0)
    text = torch.arange(200) % 5
    config = ar.ARTrainingConfig(n_tokens=5_000, batch_size=4, context=8, warmup_tokens=100)
    result = ar.train(Bigram(ar.WindowConfig(5)), text, config=config, progress_bar=False)
    assert result.history["loss"][-1] < 0.9 * result.history["loss"][0]


def test_a_joint_optimizer_equals_its_parts():
    first, second = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    joint = JointOptimizer(torch.optim.SGD([first], lr=0.1), torch.optim.SGD([second], lr=0.2))
    joint.scale_learning_rates(0.5)
    (first.sum() + second.sum()).backward()
    joint.step()
    assert first.detach() == pytest.approx(torch.full((3,), 1 - 0.5 * 0.1))
    assert second.detach() == pytest.approx(torch.full((3,), 1 - 0.5 * 0.2))
    joint.zero_grad()
    assert first.grad is None
    assert second.grad is None
    with pytest.raises(ValueError, match="no closure"):
        joint.step(lambda: 0.0)


def test_learning_rates_can_be_set_after_a_state_was_restored():
    """Restoring makes new groups in torch's optimizers; the rates must reach those."""
    parameter = torch.nn.Parameter(torch.ones(3))
    joint = JointOptimizer(torch.optim.SGD([parameter], lr=0.1))
    joint.load_state_dict(joint.state_dict())
    joint.scale_learning_rates(0.0)
    parameter.grad = torch.ones(3)
    joint.step()
    assert torch.equal(parameter.detach(), torch.ones(3))


def test_a_restored_state_lies_in_memory_as_its_parameters_do():
    """Fused Adam pairs the wrong numbers where the orders differ."""

    def make() -> tuple[list[nn.Parameter], JointOptimizer]:
        weights = [
            torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(i)) for i in (0, 1)
        ]
        parameters = [nn.Parameter(w.to(memory_format=torch.channels_last)) for w in weights]
        adam = torch.optim.Adam(parameters[:1], lr=0.1, fused=True)
        return parameters, JointOptimizer(adam, Muon(parameters[1:], lr=0.1))

    def step(parameters: list[nn.Parameter], optimizer: JointOptimizer, seed: int) -> None:
        for parameter in parameters:
            gradient = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(seed))
            parameter.grad = gradient.to(memory_format=torch.channels_last)
        optimizer.step()

    (whole, optimizer), (parts, other) = make(), make()
    step(whole, optimizer, 0)
    state = copy.deepcopy(optimizer.state_dict())
    for part in state["optimizers"]:  # as a file gives them back
        for values in part["state"].values():
            values |= {name: value.clone().contiguous() for name, value in values.items()}
    for parameter, trained in zip(parts, whole, strict=True):
        parameter.data.copy_(trained.data)
    other.load_state_dict(state)
    step(whole, optimizer, 1)
    step(parts, other, 1)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def joint_of_two(**settings: Any) -> tuple[list[nn.Parameter], JointOptimizer]:
    parameters = [nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    adam = torch.optim.Adam(parameters[:1], lr=0.1, fused=True)
    return parameters, JointOptimizer(adam, Muon(parameters[1:], lr=0.2), **settings)


@pytest.mark.parametrize("restored", [False, True])
def test_the_groups_are_those_of_the_parts(restored):
    parameters, joint = joint_of_two()
    if restored:
        joint.load_state_dict(copy.deepcopy(joint.state_dict()))
    assert [group["lr"] for group in joint.param_groups] == [0.1, 0.2]
    for group in joint.param_groups:
        group["lr"] = 0.0
    for parameter in parameters:
        parameter.grad = torch.ones(2, 2)
    joint.step()
    assert all(torch.equal(p, torch.ones(2, 2)) for p in parameters)


def test_schedulers_of_torch_set_the_rates():
    parameters, joint = joint_of_two()
    scheduler = torch.optim.lr_scheduler.StepLR(joint, step_size=1, gamma=0.5)
    for parameter in parameters:
        parameter.grad = torch.ones(2, 2)
    joint.step()
    scheduler.step()
    assert [o.param_groups[0]["lr"] for o in joint.optimizers] == [0.05, 0.1]


def test_a_copy_goes_on_alone():
    parameters, joint = joint_of_two(max_norm=1.0)
    for parameter in parameters:
        parameter.grad = torch.full((2, 2), 3.0)
    joint.step()
    copies, other = copy.deepcopy((parameters, joint))
    other.scale_learning_rates(0.5)
    assert [group["lr"] for group in joint.param_groups] == [0.1, 0.2]
    assert [group["lr"] for group in other.param_groups] == [0.05, 0.1]
    joint.scale_learning_rates(0.5)
    before = [p.detach().clone() for p in copies]
    joint.step()
    assert all(torch.equal(a, b) for a, b in zip(copies, before, strict=True))
    for parameter in copies:
        parameter.grad = torch.full((2, 2), 3.0)
    other.step()
    assert all(torch.equal(a, b) for a, b in zip(copies, parameters, strict=True))


def test_what_cannot_be_joined_is_refused():
    parameters, joint = joint_of_two()
    for max_norm in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="max_norm must be above 0"):
            JointOptimizer(torch.optim.SGD(parameters, lr=0.1), max_norm=max_norm)
    with pytest.raises(ValueError, match="nothing to join"):
        JointOptimizer()
    with pytest.raises(RuntimeError, match="add the group to one of them"):
        joint.add_param_group({"params": [nn.Parameter(torch.ones(1))]})
    for factor in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="factor must be at least 0"):
            joint.scale_learning_rates(factor)


def test_parameters_that_come_after_the_joining_are_refused():
    """They moved, and their gradients were added up from step to step."""
    _, joint = joint_of_two()
    late = nn.Parameter(torch.ones(2, 2))
    joint.optimizers[1].add_param_group({"params": [late]})
    with pytest.raises(RuntimeError, match="join the optimizers anew"):
        joint.step()
    assert torch.equal(late, torch.ones(2, 2))


def test_no_parameter_has_two_optimizers():
    parameter = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(ValueError, match="more than one parameter group"):
        JointOptimizer(*(torch.optim.SGD([parameter], lr=0.1) for _ in range(2)))
