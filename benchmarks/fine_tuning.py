"""When does pre-training pay? Fine-tuning against random weights, both sides tuned alike.

    python benchmarks/fine_tuning.py bulletins
    python benchmarks/fine_tuning.py labels

Written into ``results/fine_tuning.json`` and ``fine_tuning.md``. Each side tries the same learning
rates at the first seed. The rate that does best on validation data then runs at the other seeds,
and in every run the step is kept that does best on them. What is reported is measured on test data
that chose nothing. Runs are compared at equal data, so several may share a machine.
"""

import copy
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from recording import Results, protocol, run_parts
from torch import Tensor, nn

from aigc_tutorial import ar, tokenizers
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.data import python_documentation, weather_bulletins
from aigc_tutorial.evaluation.likelihood import text_likelihood

RESULTS = Path(__file__).parent / "results" / "fine_tuning.json"
N_TOKENS = 16_000
BULLETIN_COUNTS = (4, 40)
BULLETIN_RATES = (0.01, 0.02, 0.04)
LABEL_COUNTS = (64, 128)
LABEL_RATES = (3e-3, 1e-2)
N_LABEL_STEPS, LABEL_STEPS_BETWEEN = 200, 20

Trained = tuple[float, float, int]
"""Best validation result (lower is better), the test result there, and when it was."""


def seeded(seed: int) -> torch.Generator:
    """A source of randomness."""
    return torch.Generator().manual_seed(seed)


def tuned(
    train: Callable[[float, int], Trained], rates: Sequence[float], seeds: Sequence[int]
) -> Results:
    """Choose the rate at the first seed by validation, then run it at all seeds."""
    tried = {rate: train(rate, seeds[0]) for rate in rates}
    best = min(rates, key=lambda rate: tried[rate][0])
    runs = [tried[best], *(train(best, seed) for seed in seeds[1:])]
    print(f"at {best}: {[round(run[1], 3) for run in runs]}", flush=True)
    return {
        "rate": best,
        "tried": {str(rate): round(run[0], 4) for rate, run in tried.items()},
        "test": [round(run[1], 4) for run in runs],
        "best_at": [run[2] for run in runs],
    }


def measure_bulletins(seeds: list[int]) -> Results:
    """Bits per character of unseen bulletins, by the number of bulletins to learn from."""
    documentation = python_documentation().split("train").text
    tokenizer = tokenizers.BPETokenizer.train([documentation], 512)
    torch.manual_seed(0)
    sizes = ar.TransformerConfig(tokenizer.vocab_size, context=64, n_layers=2, n_heads=4, width=96)
    untrained = ar.Transformer(sizes)
    pretrained = ar.train(
        copy.deepcopy(untrained),
        tokenizer.encode(documentation),
        config=ar.ARTrainingConfig(n_tokens=250_000, batch_size=32, warmup_tokens=8_000),
        progress_bar=False,
    ).model
    validation, test = (weather_bulletins(50, rng=seeded(seed)) for seed in (11, 12))

    def bits(model: Any, text: str) -> float:
        return text_likelihood(model, tokenizer.encode(text), context=64).bits_per(len(text))

    def side(start: ar.Transformer, n: int) -> Callable[[float, int], Trained]:
        rows = tokenizer.encode(weather_bulletins(n, rng=seeded(0))).unfold(0, 65, 8)

        def train(rate: float, seed: int) -> Trained:
            result = ar.train(
                copy.deepcopy(start),
                rows,
                config=ar.ARTrainingConfig(
                    n_tokens=N_TOKENS,
                    batch_size=8,
                    learning_rate_matrices=rate,
                    learning_rate_others=rate / 2,
                    warmup_tokens=1_000,
                ),
                seed=seed,
                validation=lambda model: bits(model, validation),
                validate_every=N_TOKENS // 4,
                progress_bar=False,
            )
            column = result.validation["nll"]
            at = min(range(len(column)), key=column.__getitem__)
            steps = int(result.validation["n_tokens"][at])
            return column[at], bits(result.model, test), steps

        return train

    rows = [
        {"n": n, "side": name, **tuned(side(start, n), BULLETIN_RATES, seeds)}
        for n in BULLETIN_COUNTS
        for name, start in (("pre-trained", pretrained), ("random weights", untrained))
    ]
    return {"unit": "bits per character of 50 unseen bulletins, lower is better", "rows": rows}


class Judge(nn.Module):
    """Two logits from the mean state of a language model."""

    def __init__(self, language_model: ar.RecurrentModel) -> None:
        super().__init__()
        self.language_model = copy.deepcopy(language_model)
        self.head = nn.Linear(96, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of "real" and "shuffled"."""
        states, _ = self.language_model.rnn(self.language_model.embedding(tokens))
        return self.head(states.mean(dim=1))


def measure_labels(seeds: list[int]) -> Results:
    """Share of right answers to "real or shuffled?", by the number of labelled pieces."""
    text = " ".join(python_documentation().text.split())
    tokenizer = tokenizers.CharacterTokenizer.from_text(text)
    cut, later = int(0.8 * len(text)), int(0.9 * len(text))

    def pieces(start: int, stop: int, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = []
        for i in range(n):
            place = int(torch.randint(start, stop - 32, (1,), generator=rng))
            words = text[place : place + 32].split(" ")
            if i % 2:
                words = [
                    "".join(word[j] for j in torch.randperm(len(word), generator=rng).tolist())
                    for word in words
                ]
            rows.append(tokenizer.encode(" ".join(words)))
        return torch.stack(rows), torch.arange(n) % 2

    def new(seed: int) -> ar.RecurrentModel:
        torch.manual_seed(seed)
        sizes = ar.RecurrentConfig(
            tokenizer.vocab_size, cell="gru", embedding_dim=32, hidden_dim=96
        )
        return ar.RecurrentModel(sizes)

    pretrained = ar.train(
        new(0),
        tokenizer.encode(text[:cut]),
        config=ar.ARTrainingConfig(
            n_tokens=300_000,
            context=48,
            batch_size=32,
            optimizer="adamw",
            learning_rate_matrices=4e-3,
            learning_rate_others=4e-3,
            betas=(0.9, 0.99),
        ),
        progress_bar=False,
    ).model
    validation = pieces(cut, later, 500, seeded(6))
    test = pieces(later, len(text), 1_000, seeded(5))

    @torch.no_grad()
    def error(judge: Judge, data: tuple[Tensor, Tensor]) -> float:
        return float((judge(data[0]).argmax(1) != data[1]).float().mean())

    def side(start: Callable[[int], ar.RecurrentModel], k: int) -> Callable[[float, int], Trained]:
        def train(rate: float, seed: int) -> Trained:
            torch.manual_seed(seed)
            judge, rng = Judge(start(seed)), seeded(100 + seed)
            x, y = pieces(0, cut, 2 * k, rng)
            optimizer = torch.optim.Adam(judge.parameters(), lr=rate)
            best = (1.0, 1.0, 0)
            for step in range(1, N_LABEL_STEPS + 1):
                batch = torch.randperm(2 * k, generator=rng)[:32]
                optimizer.zero_grad()
                F.cross_entropy(judge(x[batch]), y[batch]).backward()
                optimizer.step()
                if step % LABEL_STEPS_BETWEEN == 0 and (now := error(judge, validation)) < best[0]:
                    best = (now, error(judge, test), step)
            return best

        return train

    rows = [
        {"n": k, "side": name, **tuned(side(start, k), LABEL_RATES, seeds)}
        for k in LABEL_COUNTS
        for name, start in (
            ("pre-trained", lambda _seed: pretrained),
            ("random weights", lambda seed: new(10 + seed)),
        )
    ]
    return {"unit": "share of wrong answers on 1,000 unseen pieces, lower is better", "rows": rows}


def tables(results: Results) -> str:
    """All parts as Markdown."""
    lines = [
        "# When does pre-training pay?",
        "",
        "Written by `python benchmarks/fine_tuning.py`; not edited by hand. Both sides try the",
        "same learning rates; rate and step are chosen on validation data.",
    ]
    for part, result in results.items():
        lines += ["", f"## {part.capitalize()}", "", protocol(result), ""]
        lines += [
            "| examples | side | mean | each seed | rate | best at |",
            "|--:|:--|--:|:--|--:|:--|",
        ]
        for row in result["rows"]:
            each = ", ".join(f"{value:.3f}" for value in row["test"])
            at = ", ".join(f"{value:,}" for value in row["best_at"])
            mean = statistics.mean(row["test"])
            lines.append(
                f"| {row['n']} | {row['side']} | {mean:.3f} | {each} | {row['rate']:g} | {at} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    tune_cpu()
    run_parts(
        RESULTS,
        {"bulletins": measure_bulletins, "labels": measure_labels},
        tables,
        __doc__.splitlines()[0],
    )
