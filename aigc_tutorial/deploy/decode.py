"""Writing text at speed: ``generate`` as every model has it, with a faster way to read a token."""

import copy
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar import AutoregressiveModel
from aigc_tutorial.ar.checks import check_shape
from aigc_tutorial.ar.generation.reader import as_prompts, as_stop_tokens, window_start
from aigc_tutorial.ar.generation.sampling import SamplingConfig, sample
from aigc_tutorial.ar.generation.stream import GenerationMixin
from aigc_tutorial.config import as_instance
from aigc_tutorial.deploy.graphs import MAIN, STEP
from aigc_tutorial.deploy.runtime import Exported
from aigc_tutorial.deploy.steps import step_of
from aigc_tutorial.integers import IntegersLike, as_count
from aigc_tutorial.tokenizers import Tokenizer


class Decoder(GenerationMixin):
    """Writes with a trained model, of which it has a copy, or with one that was exported.

    It generates as the model does: the arguments, the tokens, and what happens past the context are
    the same, so that ``ar.stream``, ``ar.stream_text`` and ``ar.beam_search`` take it for a model.
    Several threads may write with one.

    >>> from aigc_tutorial import ar, deploy, zoo
    >>> writer = deploy.Decoder(zoo.load("shakespeare-characters"))
    >>> prompt = zoo.tokenizer("shakespeare-characters").encode("ROMEO:")
    >>> tokens = writer.generate(prompt, max_new_tokens=8, rng=torch.Generator().manual_seed(0))
    >>> tokens.shape
    torch.Size([14])

    Attributes:
        backend: what reads single tokens: ``"numpy"``, ``"torch"`` or ``"onnx"``.
        tokenizer: the one that was exported with the model; None if there is none.
    """

    def __init__(
        self, model: AutoregressiveModel | Exported | str | Path, *, backend: str = "auto"
    ) -> None:
        """Take a model as it is now: later changes of its weights are not seen.

        Args:
            model: any model of tokens; or an export, or the folder of one.
            backend: of a model ``"numpy"``, which knows a ``Transformer`` and a ``GPT2`` and is
                meant for one sequence at a time, or ``"torch"``; ``"auto"`` takes the first that
                can. Of a folder ``"onnx"``, which is its ``"auto"``, or ``"torch"``.

        Raises:
            ValueError: if the backend is unknown, or cannot run this model; or the export is none
                of a model of text.
            FileNotFoundError: if there is no export in the folder.
        """
        nn.Module.__init__(self)
        if isinstance(model, str | Path):
            model = Exported(model, backend="onnx" if backend == "auto" else backend)
        source = (
            _OfExport(model, backend)
            if isinstance(model, Exported)
            else _OfModel(as_instance(model, AutoregressiveModel, "model", _REMEDY), backend)
        )
        self.config, self._context = source.config, source.context
        self.backend, self.tokenizer = source.backend, source.tokenizer
        self._source = source

    def generate(
        self,
        prompt: Int64[Tensor, "*B K"] | IntegersLike,
        *,
        max_new_tokens: int,
        config: SamplingConfig = SamplingConfig(),
        stop_tokens: Sequence[int] | IntegersLike = (),
        rng: torch.Generator | None = None,
    ) -> Int64[Tensor, "*C L"]:
        """Go on from a prompt, or from a batch of prompts of the same length.

        :func:`aigc_tutorial.ar.generation.stream.generate` says what the arguments are and what it
        returns. A batch goes through the model itself.
        """
        options: dict[str, Any] = {"config": config, "stop_tokens": stop_tokens, "rng": rng}
        tokens = as_prompts(self, prompt)
        if tokens.ndim > 1:
            return super().generate(tokens, max_new_tokens=max_new_tokens, **options)
        new = list(self.stream(tokens, max_new_tokens=max_new_tokens, **options))
        return torch.cat([tokens, torch.tensor(new)])

    def stream(
        self,
        prompt: Int64[Tensor, " K"] | IntegersLike,
        *,
        max_new_tokens: int,
        config: SamplingConfig = SamplingConfig(),
        stop_tokens: Sequence[int] | IntegersLike = (),
        rng: torch.Generator | None = None,
    ) -> Iterator[int]:
        """Go on from one prompt, token by token, as they come.

        The tokens are those of :func:`aigc_tutorial.ar.generation.stream.stream`, which says what
        the arguments are.

        Raises:
            ValueError: if the prompt is empty, longer than the context or of another vocabulary; at
                a token, if the model's logits are no distribution.
        """
        tokens, stops = as_prompts(self, prompt, n_dims=(1,)), as_stop_tokens(self, stop_tokens)
        n_new = as_count(max_new_tokens, "max_new_tokens")
        return self._steps(tokens.tolist(), n_new, config, set(stops), rng)

    def _steps(
        self,
        tokens: list[int],
        n_new: int,
        config: SamplingConfig,
        stops: set[int],
        rng: torch.Generator | None,
    ) -> Iterator[int]:
        """The loop of ``ar.stream`` for one sequence, with nothing between the steps."""
        choose = _chooser(config, rng)
        start, state = 0, None
        for length in range(len(tokens), len(tokens) + n_new):
            begin = window_start(length, self.context)
            if state is None or begin != start:
                start = begin
                with torch.no_grad():
                    seen = torch.tensor([tokens[start:]])
                    logits, state = self._source.advance(seen, self._source.initial_state(1))
                row = _as_row(logits[0, -1])
            else:
                row, state = self._source.read_one(tokens[-1], state)
            token = choose(row)
            if token is None:
                logits, seen = torch.from_numpy(row), torch.tensor(tokens)
                token = int(sample(logits, config, tokens=seen, rng=rng))
            tokens.append(token)
            yield token
            if token in stops:
                return

    @property
    def context(self) -> int | None:
        """How many tokens are taken at most; None if there is no limit."""
        return self._context

    @property
    def device(self) -> torch.device:
        """The processor."""
        return torch.device("cpu")

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each, all positions in one pass."""
        check_shape(tokens, self.context)
        return self._source.whole(tokens)

    def initial_state(self, batch_size: int) -> Any:
        """State before the first token."""
        return self._source.initial_state(batch_size)

    @torch.no_grad()
    def advance(
        self, tokens: Int64[Tensor, "B K"], state: Any
    ) -> tuple[Float[Tensor, "B K V"], Any]:
        """Read K further tokens; the state is changed in place."""
        return self._source.advance(tokens, state)

    def select_rows(self, state: Any, rows: Int64[Tensor, " R"]) -> Any:
        """A new state whose batch consists of the given rows."""
        return self._source.select_rows(state, rows)

    def truncate(self, state: Any, length: int) -> Any:
        """The state after the first ``length`` tokens, in the same memory."""
        return self._source.truncate(state, length)


def _chooser(
    config: SamplingConfig, rng: torch.Generator | None
) -> Callable[[np.ndarray], int | None]:
    """What ``ar.generation.sampling.sample`` does with the usual settings, in a tenth of the time.

    It returns None, and has drawn nothing, where that function is to be asked instead: for filters,
    and for logits that are no distribution.
    """
    temperature = config.temperature
    if config != SamplingConfig(temperature=temperature):
        return lambda row: None
    if temperature == 0:
        return lambda row: best if math.isfinite(row[best := int(row.argmax())]) else None
    if temperature < 1e-3 or (rng is not None and rng.device.type != "cpu"):
        return lambda row: None
    least = torch.finfo(torch.float32).tiny

    def choose(row: np.ndarray) -> int | None:
        best = row.max()
        if not math.isfinite(best):
            return None
        times = torch.empty(len(row)).exponential_(generator=rng).clamp_(min=least)
        row = row - best
        row /= np.float32(temperature)
        return int((np.exp(row, row) / times.numpy()).argmax())

    return choose


_REMEDY = (
    "give a model of tokens, such as zoo.load('shakespeare-characters'), or the folder of an export"
)


class _OfModel:
    """A model's own state and passes; single tokens of single sequences by a step."""

    tokenizer: Tokenizer | None = None

    def __init__(self, model: AutoregressiveModel, backend: str) -> None:
        if backend not in ("auto", "numpy", "torch"):
            raise ValueError(
                f'of a model the backend must be "auto", "numpy" or "torch", got {backend!r}; '
                'for "onnx" give the folder of an export: deploy.export(model, folder)'
            )
        self._take(_copied(model), backend)

    def _take(self, model: AutoregressiveModel, backend: str) -> None:
        self.model = model
        self.config, self.context = model.config, model.context
        self.step = None if backend == "torch" else step_of(self.model)
        if backend == "numpy" and self.step is None:
            raise ValueError(
                f'a {type(model).__name__} like this cannot be read by the backend "numpy", which '
                "knows a Transformer with squared rectifiers and a GPT2, unchanged; take "
                '"torch" or "auto"'
            )
        self.backend = "torch" if self.step is None else "numpy"
        self._alone = threading.Lock()  # a step has one memory for what it computes on the way
        self.whole = self.model
        self.initial_state = self.model.initial_state
        self.select_rows, self.truncate = self.model.select_rows, self.model.truncate

    def advance(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        if self.step is None or tokens.shape != (1, 1):
            return self.model.advance(tokens, state)
        with self._alone:
            row = self.step(int(tokens), state)
        return torch.from_numpy(row).view(1, 1, -1), state

    def read_one(self, token: int, state: Any) -> tuple[np.ndarray, Any]:
        """Logits (V,) after a further token of the one sequence, and the new state."""
        if self.step is not None:
            with self._alone:
                return self.step(token, state), state
        with torch.no_grad():
            logits, state = self.model.advance(torch.tensor([[token]]), state)
        return _as_row(logits[0, 0]), state

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of: the arrays of a step are views of each other, and do not copy."""
        return {"model": self.model, "backend": self.backend}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the step anew."""
        self._take(**state)


def _as_row(logits: Float[Tensor, " V"]) -> np.ndarray:
    """Logits as NumPy has them, which knows no bfloat16 and computes in half precision."""
    return (logits if logits.dtype == torch.float64 else logits.float()).numpy()


def _copied(model: AutoregressiveModel) -> AutoregressiveModel:
    """The model on the processor, in evaluation mode, sharing nothing with the given one."""
    return copy.deepcopy(model).to("cpu").eval().requires_grad_(False)


@dataclass
class _ExportState:
    """What an exported model keeps of the tokens that it has read.

    Attributes:
        memory: (context, L, 2, B, N, d), keys and values, time first.
        length: number of tokens read.
        embeddings: (S + context, B, D), what a token shift reads: S zeros, then those of the
            tokens; empty if there is none.
    """

    memory: Tensor
    length: int
    embeddings: Tensor


class _OfExport:
    """The graphs of an export. A step's keys and values are written where the cache ends."""

    def __init__(self, exported: Exported, backend: str) -> None:
        self.exported, self.manifest = exported, exported.manifest
        if backend not in ("auto", exported.backend):
            raise ValueError(
                f"the export was loaded for {exported.backend!r}, got the backend {backend!r}"
            )
        main = self.manifest.graphs[MAIN]
        if main.inputs[0].name != "tokens":
            raise ValueError(
                f"{exported.folder} holds a {self.manifest.model}, which reads no text; give the "
                "export of a Transformer or a GPT2"
            )
        self.backend, self.tokenizer = exported.backend, exported.tokenizer
        self.config = _Sizes(main.outputs[0].shape[-1])
        self.context = int(main.sizes["time"][1]) if "time" in main.sizes else 1
        _, *self.layers = main.outputs[1].shape
        step = self.manifest.graphs.get(STEP)
        self.n_shift, self.width = 0, 0
        if step is not None and len(step.inputs) > 2:
            self.n_shift, _, self.width = step.inputs[2].shape

    def whole(self, tokens: Tensor) -> Tensor:
        return self.exported(tokens)

    def initial_state(self, batch_size: int) -> _ExportState:
        layers = [batch_size if size == "batch" else size for size in self.layers]
        room = self.n_shift + self.context if self.n_shift else 0
        embeddings = torch.zeros(room, batch_size, self.width, dtype=torch.float32)
        memory = torch.empty(self.context, *layers, dtype=torch.float32)
        return _ExportState(memory, 0, embeddings)

    def advance(self, tokens: Tensor, state: _ExportState) -> tuple[Tensor, _ExportState]:
        if tokens.shape[1] + state.length > self.context:
            raise ValueError(
                f"{state.length} tokens were read and {tokens.shape[1]} more do not fit into the "
                f"context of {self.context}; go on from a new state that has read the last alone"
            )
        if state.length:
            return torch.stack([self._step(t, state) for t in tokens.unbind(1)], dim=1), state
        outputs = self.exported.run(MAIN, tokens)
        state.length = tokens.shape[1]
        state.memory[: state.length] = outputs["cache"]
        if self.n_shift:
            state.embeddings[self.n_shift : self.n_shift + state.length] = outputs["embeddings"]
        return outputs["logits"], state

    def _step(self, token: Tensor, state: _ExportState) -> Tensor:
        """Logits (B, V) after a further token."""
        n = state.length
        inputs = {"token": token.contiguous(), "cache": state.memory[:n]}
        outputs = {"new": state.memory[n : n + 1]}
        if self.n_shift:
            now = n + self.n_shift
            inputs["recent"] = state.embeddings[n:now]
            outputs["new_embedding"] = state.embeddings[now : now + 1]
        logits = torch.empty(len(token), self.config.vocab_size, dtype=torch.float32)
        self.exported.run_into(STEP, inputs, {"logits": logits, **outputs})
        state.length += 1
        return logits

    def read_one(self, token: int, state: _ExportState) -> tuple[np.ndarray, _ExportState]:
        """Logits (V,) after a further token of the one sequence, and the state."""
        return self._step(torch.tensor([token]), state)[0].numpy(), state

    def select_rows(self, state: _ExportState, rows: Tensor) -> _ExportState:
        memory, embeddings = state.memory.index_select(3, rows), state.embeddings
        return _ExportState(memory, state.length, embeddings.index_select(1, rows))

    def truncate(self, state: _ExportState, length: int) -> _ExportState:
        if not 0 <= length <= state.length:
            raise ValueError(f"cannot go back to {length} tokens, {state.length} were read")
        return _ExportState(state.memory, length, state.embeddings)


@dataclass(frozen=True)
class _Sizes:
    """The one setting of an exported model that generation needs."""

    vocab_size: int
