"""A small GPT trained the usual way: what our character model is compared with.

The recipe is the one that nanoGPT's documentation gives for a laptop's CPU: 4 layers, 4 heads,
width 128, windows of 64 characters at random places, batch 12, 2,000 iterations of AdamW from 1e-3
down to 1e-4 along a cosine, 100 of warm-up, betas .9 and .99, weight decay .1 on matrices,
gradients cut at length 1, no dropout. Learned positions, LayerNorm, GELU, embedding and head tied,
as in GPT-2 but without biases. Written from that description; no line is taken from it.
"""

import math
import time

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

CONTEXT, WIDTH, N_LAYERS, N_HEADS = 64, 128, 4, 4
BATCH_SIZE, N_ITERATIONS, N_WARMUP = 12, 2_000, 100
TOP_RATE, FINAL_RATE = 1e-3, 1e-4


class Block(nn.Module):
    """Attention, then a perceptron, each with LayerNorm before it and a shortcut around it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(WIDTH, bias=False)
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attention_out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.norm_mlp = nn.LayerNorm(WIDTH, bias=False)
        self.mlp_in = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.gelu = nn.GELU()
        self.mlp_out = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, T, D) to features."""
        n, t, d = x.shape
        parts = self.queries_keys_values(self.norm_attention(x)).split(WIDTH, dim=2)
        q, k, v = (part.view(n, t, N_HEADS, d // N_HEADS).transpose(1, 2) for part in parts)
        y = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attention_out(y.transpose(1, 2).contiguous().view(n, t, d))
        return x + self.mlp_out(self.gelu(self.mlp_in(self.norm_mlp(x))))


class ReferenceGPT(nn.Module):
    """Tokens (B, T) to logits (B, T, V)."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, WIDTH)
        self.positions = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(N_LAYERS))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        self.head = nn.Linear(WIDTH, vocab_size, bias=False)
        self.tokens.weight = self.head.weight
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                into_the_sum = name.endswith(("attention_out.weight", "mlp_out.weight"))
                scale = 0.02 / math.sqrt(2 * N_LAYERS) if into_the_sum else 0.02
                nn.init.normal_(parameter, std=scale)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the token after each."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.head.weight.device

    def nll(self, tokens: Tensor) -> Tensor:
        """Nats of each token but the first, so that our evaluation measures both models."""
        logits = self(tokens[:, :-1])
        return cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")


def learning_rate(iteration: int) -> float:
    """Linear warm-up, then half a cosine."""
    if iteration < N_WARMUP:
        return TOP_RATE * (iteration + 1) / (N_WARMUP + 1)
    share = (iteration - N_WARMUP) / (N_ITERATIONS - N_WARMUP)
    return FINAL_RATE + 0.5 * (1 + math.cos(math.pi * share)) * (TOP_RATE - FINAL_RATE)


def train_gpt(
    text: Tensor, vocab_size: int, seed: int = 0, n_iterations: int = N_ITERATIONS
) -> tuple[ReferenceGPT, float]:
    """Train on the tokens of a text.

    Args:
        text: (N,) tokens.
        vocab_size: V.
        seed: of weights and of the windows' places.
        n_iterations: fewer end the same schedule early, to measure the speed alone.

    Returns:
        The model, and the seconds that the iterations took, without any evaluation.
    """
    torch.manual_seed(seed)
    model = ReferenceGPT(vocab_size)
    matrices = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        lr=TOP_RATE,
        betas=(0.9, 0.99),
    )
    started = time.perf_counter()
    for iteration in range(n_iterations):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(iteration)
        places = torch.randint(len(text) - CONTEXT, (BATCH_SIZE,)).tolist()
        given = torch.stack([text[i : i + CONTEXT] for i in places])
        wanted = torch.stack([text[i + 1 : i + 1 + CONTEXT] for i in places])
        loss = cross_entropy(model(given).view(-1, vocab_size), wanted.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval(), time.perf_counter() - started
