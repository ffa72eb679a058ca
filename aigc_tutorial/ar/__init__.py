"""Autoregressive models: from counting to attention.

All of them score and continue sequences of tokens in the same way:

>>> import torch
>>> from aigc_tutorial import ar, tokenizers
>>> tokenizer = tokenizers.CharacterTokenizer.from_text("to be or not to be")
>>> tokens = tokenizer.encode("to be or not to be")
>>> model = ar.NGramModel(ar.NGramConfig(tokenizer.vocab_size, order=3)).fit(tokens)
>>> model.nll(tokens[None]).shape
torch.Size([1, 17])
>>> greedy = ar.SamplingConfig(temperature=0)
>>> tokenizer.decode(model.generate(tokens[:2], max_new_tokens=4, config=greedy))
'to be '
"""

from aigc_tutorial.ar import recipes
from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.causality import influence
from aigc_tutorial.ar.generation import sampling
from aigc_tutorial.ar.generation.beam import Beam, beam_search
from aigc_tutorial.ar.generation.sampling import SamplingConfig
from aigc_tutorial.ar.generation.speculative import SpeculativeResult, speculative_generate
from aigc_tutorial.ar.generation.stream import generate, stream, stream_text
from aigc_tutorial.ar.models.ablated import AblatedTransformer, AblatedTransformerConfig
from aigc_tutorial.ar.models.frames import FrameModel, FrameModelConfig
from aigc_tutorial.ar.models.gpt2 import GPT2, GPT2Config
from aigc_tutorial.ar.models.ngram import NGramConfig, NGramModel
from aigc_tutorial.ar.models.pixelcnn import PixelCNN, PixelCNNConfig
from aigc_tutorial.ar.models.recurrent import RecurrentConfig, RecurrentModel
from aigc_tutorial.ar.models.transformer import Transformer, TransformerConfig
from aigc_tutorial.ar.models.wavenet import WaveNet, WaveNetConfig
from aigc_tutorial.ar.models.window import WindowConfig, WindowModel
from aigc_tutorial.ar.trainer import ARTrainer, ARTrainingConfig, ARTrainingResult, train

__all__ = [
    "GPT2",
    "ARTrainer",
    "ARTrainingConfig",
    "ARTrainingResult",
    "AblatedTransformer",
    "AblatedTransformerConfig",
    "AutoregressiveModel",
    "Beam",
    "FrameModel",
    "FrameModelConfig",
    "GPT2Config",
    "NGramConfig",
    "NGramModel",
    "PixelCNN",
    "PixelCNNConfig",
    "RecurrentConfig",
    "RecurrentModel",
    "SamplingConfig",
    "SpeculativeResult",
    "Transformer",
    "TransformerConfig",
    "WaveNet",
    "WaveNetConfig",
    "WindowConfig",
    "WindowModel",
    "beam_search",
    "generate",
    "influence",
    "recipes",
    "sampling",
    "speculative_generate",
    "stream",
    "stream_text",
    "train",
]
