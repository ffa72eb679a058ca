"""Both sides of every equation of page 4.2.2, computed."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aigc_tutorial import ar, data, evaluation

V = 3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def models() -> dict[str, ar.AutoregressiveModel]:
    """One of each kind, small, in double precision, no weight zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: dict[str, ar.AutoregressiveModel] = {
            "window": ar.WindowModel(ar.WindowConfig(V, window=2, embedding_dim=4, hidden_dim=6)),
            "rnn": ar.RecurrentModel(
                ar.RecurrentConfig(V, cell="rnn", embedding_dim=4, hidden_dim=6)
            ),
            "transformer": ar.Transformer(ar.TransformerConfig(V, n_layers=2, n_heads=2, width=8)),
        }
        for model in made.values():
            for weight in model.parameters():
                torch.nn.init.normal_(weight)
    return {name: model.double().eval() for name, model in made.items()}


MODELS = models()
EACH = pytest.mark.parametrize("name", MODELS)


def all_sequences(length: int) -> Tensor:
    """Every sequence of the given length after the token 0."""
    rows = torch.tensor(list(itertools.product(range(V), repeat=length)))
    return torch.cat([torch.zeros(len(rows), 1, dtype=torch.int64), rows], dim=1)


@pytest.mark.equation("ar-chain-rule")
def test_any_joint_distribution_is_the_product_of_its_conditionals() -> None:
    joint = torch.rand(V, V, V, generator=seeded(), dtype=torch.float64)
    joint /= joint.sum()
    first = joint.sum((1, 2))
    second = joint.sum(2) / first[:, None]
    third = joint / joint.sum(2, keepdim=True)
    torch.testing.assert_close(first[:, None, None] * second[:, :, None] * third, joint)


@pytest.mark.equation("ar-chain-rule")
@EACH
def test_a_model_s_likelihood_is_the_product_of_its_steps(name: str) -> None:
    model, tokens = MODELS[name], torch.tensor([0, 2, 1, 1, 0, 2])
    product = 1.0
    for t in range(1, len(tokens)):
        product *= model(tokens[None, :t])[0, -1].softmax(-1)[tokens[t]].item()
    assert model.nll(tokens[None]).sum().neg().exp().item() == pytest.approx(product, rel=1e-9)


@pytest.mark.equation("ar-sums-to-one")
@EACH
def test_probabilities_of_all_sequences_sum_to_one(name: str) -> None:
    with torch.no_grad():
        total = MODELS[name].nll(all_sequences(5)).sum(1).neg().exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-10)


@pytest.mark.equation("ar-window")
def test_window_model_by_hand() -> None:
    model = MODELS["window"]
    assert isinstance(model, ar.WindowModel)
    tokens, n = torch.tensor([0, 2, 1, 1, 0]), model.config.window
    for t in range(1, len(tokens) + 1):
        past = [model.embedding(token) for token in tokens[:t]]
        zeros = [torch.zeros(4, dtype=torch.float64)] * n
        x = torch.cat([*zeros, *past][-n:])
        hidden = torch.tanh(model.hidden.weight @ x + model.hidden.bias)
        p = (model.output.weight @ hidden + model.output.bias).softmax(-1)
        torch.testing.assert_close(model(tokens[None, :t])[0, -1].softmax(-1), p)


@pytest.mark.equation("ar-rnn")
def test_recurrent_model_by_hand() -> None:
    model = MODELS["rnn"]
    assert isinstance(model, ar.RecurrentModel)
    w, u, b_input, b_state = model.rnn.parameters()
    tokens, h = torch.tensor([0, 2, 1, 1, 0]), torch.zeros(6, dtype=torch.float64)
    logits = model(tokens[None])[0]
    for t, token in enumerate(tokens):
        h = torch.tanh(w @ model.embedding(token) + u @ h + b_input + b_state)
        p = (model.output.weight @ h + model.output.bias).softmax(-1)
        torch.testing.assert_close(logits[t].softmax(-1), p)


@pytest.mark.equation("ar-softmax")
@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=6),
    st.floats(-500, 500),
)
def test_softmax_by_its_definition_and_shifted(values: list[float], shift: float) -> None:
    logits = torch.tensor(values, dtype=torch.float64)
    total = sum(math.exp(a) for a in values)
    by_hand = torch.tensor([math.exp(a) / total for a in values], dtype=torch.float64)
    torch.testing.assert_close(logits.softmax(0), by_hand)
    torch.testing.assert_close((logits + shift).softmax(0), by_hand, rtol=1e-9, atol=1e-12)


@pytest.mark.equation("ar-loss")
@EACH
def test_loss_is_the_mean_over_real_tokens(name: str) -> None:
    model = MODELS[name]
    sequences = [torch.tensor(s) for s in ([0, 1, 2, 2, 1], [0, 2], [0, 0, 1])]
    numerator, denominator = 0.0, 0
    for sequence in sequences:
        for t in range(1, len(sequence)):
            p = model(sequence[None, :t])[0, -1].softmax(-1)[sequence[t]]
            numerator -= math.log(p.item())
            denominator += 1
    padded, mask = data.pad_sequences(sequences)
    nll = model.nll(padded, mask)
    assert denominator == 7
    assert (nll.sum() / mask[:, 1:].sum()).item() == pytest.approx(numerator / denominator)
    report = evaluation.sequence_likelihood(model, (padded, mask))
    assert report.nats_per_token == pytest.approx(numerator / denominator)


@pytest.mark.equation("ar-cross-entropy")
@given(st.integers(2, 8), st.integers(0, 2**31))
def test_cross_entropy_is_entropy_and_divergence(n: int, seed: int) -> None:
    p, q = (2 * normal(2, n, seed=seed)).softmax(1)
    cross_entropy = -(p * q.log()).sum()
    entropy, divergence = -(p * p.log()).sum(), (p * (p / q).log()).sum()
    torch.testing.assert_close(cross_entropy, entropy + divergence)
    assert divergence > 0
    assert (p * (q / p - 1)).sum() <= 1e-12  # the bound that proves it
    assert (p * (p / p).log()).sum() == 0


def chain_of_three() -> data.MarkovChain:
    return data.MarkovChain(normal(V, V, seed=4).softmax(1))


@pytest.mark.equation("ar-kl-chain")
@EACH
def test_loss_of_sequences_is_entropy_and_mean_divergence(name: str) -> None:
    """Over all sequences that follow the state 0, with their probabilities."""
    chain, model, length = chain_of_three(), MODELS[name], 4
    rows = all_sequences(length)
    steps = chain.transition[rows[:, :-1], rows[:, 1:]]
    p = steps.prod(1)  # of each sequence
    assert p.sum().item() == pytest.approx(1)
    with torch.no_grad():
        left = (p * model.nll(rows).sum(1)).sum() / length
        log_q = model(rows[:, :-1]).log_softmax(-1)
    conditional = chain.transition[rows[:, :-1]]  # p(· | x_{<t}) at every place
    entropy = (p[:, None] * -(conditional * conditional.log()).sum(-1)).sum() / length
    divergence = (conditional * (conditional.log() - log_q)).sum(-1)
    right = entropy + (p[:, None] * divergence).sum() / length
    torch.testing.assert_close(left, right)


@pytest.mark.equation("ar-kl-chain")
def test_mean_conditional_entropy_is_the_entropy_rate_of_a_stationary_chain() -> None:
    chain = chain_of_three()
    h = -(chain.transition * chain.transition.log()).sum(1)
    state = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    entropies = []
    for _ in range(400):
        entropies.append((state @ h).item())
        state = state @ chain.transition
    assert sum(entropies) / len(entropies) == pytest.approx(chain.entropy_rate, rel=5e-3)
    assert entropies[-1] == pytest.approx(chain.entropy_rate)


@pytest.mark.equation("ar-perplexity")
@pytest.mark.parametrize("vocab_size", [2, 50, 1_000])
def test_perplexity_and_bits_of_a_uniform_model(vocab_size: int) -> None:
    uniform = ar.NGramModel(ar.NGramConfig(vocab_size, order=1))
    tokens = torch.randint(vocab_size, (3, 8), generator=seeded())
    report = evaluation.sequence_likelihood(uniform, tokens)
    loss = report.nats_per_token
    assert loss == pytest.approx(math.log(vocab_size), rel=1e-6)
    assert report.perplexity == pytest.approx(math.exp(loss))
    assert report.perplexity == pytest.approx(vocab_size, rel=1e-5)
    assert report.bits_per_token == pytest.approx(loss / math.log(2))
    assert report.bits_per_token == pytest.approx(math.log2(vocab_size), rel=1e-6)


@pytest.mark.equation("ar-perplexity")
@EACH
def test_perplexity_is_the_geometric_mean_of_one_over_the_probabilities(name: str) -> None:
    model, tokens = MODELS[name], torch.tensor([[0, 2, 1, 1, 0, 2]])
    with torch.no_grad():
        p = model(tokens[:, :-1]).softmax(-1)[0, torch.arange(5), tokens[0, 1:]]
    report = evaluation.sequence_likelihood(model, tokens)
    assert report.perplexity == pytest.approx((1 / p).prod().item() ** (1 / 5))
    assert report.bits_per_token == pytest.approx(-p.log2().mean().item())


@pytest.mark.equation("ar-bits-per-byte")
def test_bits_per_byte_do_not_depend_on_how_tokens_are_cut() -> None:
    """Pairs of fair bits as one token of four, or as two tokens of two: one bit a bit."""
    for vocab_size, n_tokens in ((2, 33), (4, 17)):
        uniform = ar.NGramModel(ar.NGramConfig(vocab_size, order=1))
        tokens = torch.randint(vocab_size, (1, n_tokens), generator=seeded())
        report = evaluation.sequence_likelihood(uniform, tokens)
        n_units = 32  # the bits that the predicted tokens stand for
        by_formula = report.nats_per_token / math.log(2) * report.n_predictions / n_units
        assert report.bits_per(n_units) == pytest.approx(by_formula)
        assert by_formula == pytest.approx(1, rel=1e-6)


@pytest.mark.equation("ar-softmax-gradient")
@pytest.mark.parametrize("y", range(4))
def test_gradient_by_the_logits_is_predicted_minus_true(y: int) -> None:
    logits = (2 * normal(4, seed=y)).requires_grad_()
    loss = -logits[y] + logits.exp().sum().log()
    (gradient,) = torch.autograd.grad(loss, logits)
    p = logits.detach().softmax(0)
    expected = p - F.one_hot(torch.tensor(y), 4)
    torch.testing.assert_close(gradient, expected)
    assert gradient.sum().abs() < 1e-12
    step = 1e-6  # and by differences, with no help of autograd
    for k in range(4):
        moved = [logits.detach() + s * step * F.one_hot(torch.tensor(k), 4) for s in (1, -1)]
        up, down = (-a.log_softmax(0)[y] for a in moved)
        assert ((up - down) / (2 * step)).item() == pytest.approx(expected[k].item(), abs=1e-8)


@pytest.mark.equation("ar-head-gradients")
def test_gradients_of_the_output_layer() -> None:
    matrix, bias, h = normal(4, 5).requires_grad_(), normal(4, seed=1), normal(5, seed=2)
    bias.requires_grad_()
    h.requires_grad_()
    y = 2
    logits = matrix @ h + bias
    gradients = torch.autograd.grad(-logits.log_softmax(0)[y], [matrix, bias, h])
    surplus = logits.detach().softmax(0) - F.one_hot(torch.tensor(y), 4)
    expected = torch.outer(surplus, h.detach()), surplus, matrix.detach().T @ surplus
    for gradient, by_hand in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, by_hand)


def run_rnn(u: Tensor, inputs: Tensor) -> list[Tensor]:
    """States of h_t = tanh(input_t + U h_{t-1}), from zero."""
    states = [torch.zeros(len(u), dtype=torch.float64, requires_grad=True)]
    for x in inputs:
        states.append(torch.tanh(x + u @ states[-1]))
    return states


@pytest.mark.equation("ar-bptt")
def test_gradient_through_time_is_a_product_of_jacobians() -> None:
    width, length = 4, 7
    u, inputs, w = normal(width, width), normal(length, width, seed=1), normal(width, seed=2)
    states = run_rnn(u, inputs)
    loss = (w * states[-1]).sum().sin()
    gradients = torch.autograd.grad(loss, states)
    jacobians = [torch.diag(1 - h.detach().square()) @ u for h in states[1:]]
    for t in range(length):  # each step's matrix is the derivative that autograd finds
        x = inputs[t]
        found = torch.autograd.functional.jacobian(
            lambda h, x=x: torch.tanh(x + u @ h), states[t].detach()
        )
        torch.testing.assert_close(found, jacobians[t])
    for k in range(length + 1):
        by_hand = gradients[-1]
        for jacobian in reversed(jacobians[k:]):
            by_hand = jacobian.T @ by_hand
        torch.testing.assert_close(gradients[k], by_hand)


@pytest.mark.equation("ar-bptt")
def test_gradients_through_the_package_s_network_are_such_products() -> None:
    """State by state: the network is asked for one token at a time and its states are kept."""
    model = MODELS["rnn"]
    assert isinstance(model, ar.RecurrentModel)
    tokens = torch.tensor([0, 2, 1, 1, 0, 2])
    states = [torch.zeros(1, 1, 6, dtype=torch.float64, requires_grad=True)]
    for token in tokens:
        states.append(model.rnn(model.embedding(token)[None, None], states[-1])[1])
    loss = -model.output(states[-1][0, 0]).log_softmax(-1)[1]
    gradients = [g[0, 0] for g in torch.autograd.grad(loss, states)]
    u = model.rnn.get_parameter("weight_hh_l0").detach()
    expected = gradients[-1]
    for state, gradient in zip(states[:0:-1], gradients[-2::-1], strict=True):
        expected = u.T @ ((1 - state.detach()[0, 0].square()) * expected)
        torch.testing.assert_close(gradient, expected)


@pytest.mark.equation("ar-bptt-bound")
@pytest.mark.parametrize("sigma", [0.5, 0.9, 1.0, 1.5])
def test_gradient_is_bounded_by_a_power_of_the_singular_value(sigma: float) -> None:
    width, length = 6, 12
    u = normal(width, width)
    u = sigma * u / torch.linalg.matrix_norm(u, 2)
    states = run_rnn(u, 0.1 * normal(length, width, seed=1))
    gradients = torch.autograd.grad(states[-1].sum(), states)
    last = gradients[-1].norm()
    for k, gradient in enumerate(gradients):
        assert gradient.norm() <= sigma ** (length - k) * last * (1 + 1e-12)


@pytest.mark.equation("ar-bptt-bound")
def test_bound_is_reached_where_tanh_is_straight() -> None:
    """U = σ I and states at zero: every slope is 1, so nothing is lost but σ."""
    sigma, length = 0.8, 10
    u = sigma * torch.eye(3, dtype=torch.float64)
    states = run_rnn(u, torch.zeros(length, 3, dtype=torch.float64))
    gradients = torch.autograd.grad(states[-1].sum(), states)
    assert gradients[0].norm().item() == pytest.approx(sigma**length * gradients[-1].norm().item())


@pytest.mark.equation("ar-lstm")
def test_cell_passes_gradients_through_its_forget_gates_alone() -> None:
    """With gates that depend on nothing but biases they are fixed, as the equation asks."""
    hidden, length = 3, 5
    lstm = torch.nn.LSTM(2, hidden, dtype=torch.float64)
    bias = normal(4 * hidden)
    with torch.no_grad():
        for weight in lstm.parameters():
            weight.zero_()
        lstm.get_parameter("bias_ih_l0").copy_(bias)
    i, f = bias[:hidden].sigmoid(), bias[hidden : 2 * hidden].sigmoid()
    g = bias[2 * hidden : 3 * hidden].tanh()
    start = normal(1, hidden, seed=1)
    inputs, h = normal(length, 2, seed=2), torch.zeros(1, hidden, dtype=torch.float64)

    def last_cell(c: Tensor) -> Tensor:
        return lstm(inputs, (h, c))[1][1][0]

    cell = start[0]
    for _ in range(length):
        cell = f * cell + i * g
    torch.testing.assert_close(last_cell(start), cell)
    jacobian = torch.autograd.functional.jacobian(last_cell, start)[:, 0]
    torch.testing.assert_close(jacobian, torch.diag(f**length))


@pytest.mark.equation("ar-lstm")
@torch.no_grad()
def test_all_gates_by_hand() -> None:
    """With the output gate, on the package's model."""
    config = ar.RecurrentConfig(6, cell="lstm", embedding_dim=3, hidden_dim=5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ar.RecurrentModel(config).double()
    w, u, b_input, b_state = model.rnn.parameters()
    tokens = torch.randint(6, (9,), generator=seeded(2))
    h = c = torch.zeros(5, dtype=torch.float64)
    for t, x in enumerate(tokens):
        rows = w @ model.embedding.weight[x] + u @ h + b_input + b_state
        i, f, g, o = rows.chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        torch.testing.assert_close(model.output(h), model(tokens[None])[0, t])


@pytest.mark.equation("ar-attention-scale")
@pytest.mark.parametrize("d", [4, 64, 1_024])
def test_product_of_query_and_key_has_variance_d(d: int) -> None:
    n = 20_000
    scores = torch.cat(
        [(normal(n // 4, d, seed=seed) * normal(n // 4, d, seed=99 + seed)).sum(1)
         for seed in range(4)]
    )  # fmt: skip
    # The variance of n samples scatters by about sqrt(2 / n), more for small d with heavier tails.
    assert scores.mean().item() == pytest.approx(0, abs=4 * math.sqrt(d / n))
    assert scores.var().item() == pytest.approx(d, rel=0.06)
