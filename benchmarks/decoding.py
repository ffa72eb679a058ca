"""The fastest way to write one sequence: every way tried, on the same weights, in one run.

    python benchmarks/decoding.py          # some minutes on two cores

A GPT-2 of random weights, as small as the one beside which we train, is written with greedily by
Hugging Face's ``generate`` with its cache, and by each of our ways: round by round, so that what
else the machine does meets them all. In a round each writes the text five times, and its median
counts. All must write the same tokens. A ratio is taken within a round, of the processor's time,
and of the clock's. The table goes to ``benchmarks/results/decoding.md``.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import huggingface_gpt2
import torch
import torch.nn.functional as F
from recording import Results, run_parts
from torch import Tensor, nn

from aigc_tutorial import ar, deploy
from aigc_tutorial.deploy import Decoder

RESULTS = Path(__file__).parent / "results" / "decoding.json"
CONTEXT, N_NEW, N_TURNS = 512, 160, 5
GREEDY = ar.SamplingConfig(temperature=0)
THEIRS = "Hugging Face, its cache"
Way = Callable[[], list[int]]


def huggingface(theirs: Any) -> Way:
    """``generate`` as its users call it."""
    return lambda: huggingface_gpt2.write(theirs, N_NEW, sampling=False)[0].tolist()


def generating(model: Any) -> Way:
    """``generate`` of a model or a writer of ours."""
    return lambda: model.generate([0], max_new_tokens=N_NEW, config=GREEDY).tolist()


def onnx_with_arrays(folder: Path) -> Way:
    """The step in onnxruntime as most would call it: arrays in, arrays out, the cache joined."""
    exported = deploy.load(folder)

    def write() -> list[int]:
        state = exported.run("model", [[0]])
        tokens, cache = [0, int(state["logits"].argmax())], state["cache"]
        while len(tokens) <= N_NEW:
            state = exported.run("step", tokens[-1:], cache)
            cache = torch.cat([cache, state["new"]])
            tokens.append(int(state["logits"].argmax()))
        return tokens

    return write


class StaticStep(nn.Module):
    """A step of fixed sizes for a compiler: the whole cache each time, the future masked."""

    def __init__(self, model: ar.GPT2) -> None:
        super().__init__()
        self.model = model
        size = model.config.width // model.config.n_heads
        shape = (model.config.n_layers, 2, 1, model.config.n_heads, CONTEXT, size)
        self.cache = [torch.zeros(shape[1:]) for _ in range(shape[0])]

    def forward(self, token: Tensor, position: Tensor, *cache: Tensor) -> Tensor:
        """The next token (1,) after ``token`` (1,) at ``position`` (1,)."""
        model, n_heads = self.model, self.model.config.n_heads
        x = model.token_embedding(token) + model.position_embedding(position)
        mask = (torch.arange(CONTEXT) <= position)[None]
        blocks: Iterable[Any] = model.blocks
        for block, memory in zip(blocks, cache, strict=True):
            attention = block.attention
            heads = attention.query_key_value(block.attention_norm(x)).view(3, 1, n_heads, 1, -1)
            memory.index_copy_(3, position, heads[1:])
            found = F.scaled_dot_product_attention(heads[0], memory[0], memory[1], attn_mask=mask)
            x = x + attention.output(found.reshape(1, -1))
            x = x + block.down(F.gelu(block.up(block.mlp_norm(x)), approximate="tanh"))
        return model.logits_of(model.final_norm(x)).argmax(-1)


def static(step: Callable[..., Tensor], cache: list[Tensor]) -> Way:
    """Write with a step of fixed sizes."""
    positions = torch.arange(CONTEXT)

    @torch.no_grad()
    def write() -> list[int]:
        tokens = [torch.tensor([0])]
        for i in range(N_NEW):
            tokens.append(step(tokens[-1], positions[i : i + 1], *cache).clone())
        return torch.cat(tokens).tolist()

    return write


def ahead_of_time(step: StaticStep, folder: Path) -> Callable[..., Tensor]:
    """The step compiled before it runs, into a library of machine code (AOTInductor)."""
    arguments = torch.tensor([0]), torch.tensor([0]), *(torch.zeros_like(c) for c in step.cache)
    program = torch.export.export(step, arguments)
    path = torch._inductor.aoti_compile_and_package(
        program, package_path=str(folder / "ahead_of_time.pt2")
    )
    return torch._inductor.aoti_load_package(path)


def timed(way: Way) -> tuple[float, float, list[int]]:
    """Seconds of the processor, seconds of the clock, and the tokens."""
    used, started = time.process_time(), time.perf_counter()
    tokens = way()
    return time.process_time() - used, time.perf_counter() - started, tokens


def measure(seeds: list[int]) -> Results:
    """All ways in turns, a round for each seed."""
    torch.set_num_threads(1)
    rounds = []
    for seed in seeds:
        theirs, ours = huggingface_gpt2.pair(seed, CONTEXT)
        fixed = StaticStep(ours).eval().requires_grad_(False)
        compiled = torch.compile(fixed, fullgraph=True, dynamic=False)
        with tempfile.TemporaryDirectory() as folder:
            deploy.export(ours, folder)
            ahead = ahead_of_time(fixed, Path(folder))
            ways = {
                THEIRS: huggingface(theirs),
                "ours, torch, the cached loop": generating(ours),
                "torch, fixed sizes": static(fixed, fixed.cache),
                "torch, fixed sizes, compiled": static(compiled, fixed.cache),
                "torch, fixed sizes, compiled ahead of time": static(ahead, fixed.cache),
                "onnxruntime, arrays in and out": onnx_with_arrays(Path(folder)),
                "Decoder, onnxruntime into its own memory": generating(Decoder(folder)),
                "Decoder, torch": generating(Decoder(ours, backend="torch")),
                "Decoder, NumPy, folded weights": generating(Decoder(ours)),
            }
            for way in ways.values():
                way()
            expected = ways[THEIRS]()
            found = {}
            for name, way in ways.items():
                turns = [timed(way) for _ in range(N_TURNS)]
                assert all(turn[2] == expected for turn in turns), f"{name} writes other tokens"
                used, seconds, _ = zip(*turns, strict=True)
                found[name] = {
                    "processor": statistics.median(used),
                    "clock": statistics.median(seconds),
                }
            rounds.append(found)
        print(found, flush=True)
    return {"unit": f"{N_NEW} tokens, greedy, one sequence, 1 thread", "rounds": rounds}


def as_tables(results: Results) -> str:
    """The table of all ways."""
    lines = [
        "# The fastest way to write one sequence",
        "",
        "Written by `python benchmarks/decoding.py`; not edited by hand.",
        "",
        "| way | tokens/s of processor time | times Hugging Face, each round | median "
        "| by the clock, median |",
        "|:--|--:|:--|--:|--:|",
    ]
    rounds = results["greedy"]["rounds"]
    for name in rounds[0]:
        rate = statistics.median(N_NEW / r[name]["processor"] for r in rounds)
        ratios = {
            kind: [r[THEIRS][kind] / r[name][kind] for r in rounds]
            for kind in ("processor", "clock")
        }
        each = ", ".join(f"{ratio:.1f}" for ratio in ratios["processor"])
        medians = [statistics.median(ratios[kind]) for kind in ("processor", "clock")]
        lines.append(f"| {name} | {rate:,.0f} | {each} | **{medians[0]:.1f}** | {medians[1]:.1f} |")
    machine = results["greedy"]["machine"]
    lines += [
        "",
        f"All write the same tokens. {results['greedy']['unit']}; 4 layers of width 128, 65 "
        f"tokens; seeds {results['greedy']['seeds']}; `{results['greedy']['command']}`; "
        f"{machine['processor']}, {machine['n_cores']} cores, torch {machine['torch']}, Python "
        f"{machine['python']}; {results['greedy']['date']}. Ratios are within a round, of the "
        f"medians of {N_TURNS} turns.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_parts(RESULTS, {"greedy": measure}, as_tables, __doc__.splitlines()[0])
