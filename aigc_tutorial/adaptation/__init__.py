"""Adapting a trained model to a task, and searching for the settings to do it with.

A model is trained in full, by LoRA, or by a new head on its frozen features:

>>> import torch
>>> from aigc_tutorial import adaptation, zoo
>>> model = zoo.load("english-bytes")
>>> layers = adaptation.add_lora(model, rank=8, rng=torch.Generator().manual_seed(0))
>>> classifier = adaptation.Classifier(model, n_classes=3)

From here on the factors and the head learn: ``ar.train(model, ...)`` or
``adaptation.train_classifier(classifier, ...)``.
"""

from aigc_tutorial.adaptation.fine_tuning import (
    ClassifierTrainer,
    FineTuningConfig,
    FineTuningResult,
    train_classifier,
)
from aigc_tutorial.adaptation.heads import (
    Classifier,
    class_probabilities,
    encode_texts,
    text_features,
)
from aigc_tutorial.adaptation.lora import (
    LoRALinear,
    add_lora,
    lora_layers,
    merge_lora,
    remove_lora,
    unmerge_lora,
    without_lora,
)
from aigc_tutorial.adaptation.lora_files import load_lora, save_lora
from aigc_tutorial.adaptation.results import SearchResult, SearchTrial
from aigc_tutorial.adaptation.searching import (
    HyperbandPruning,
    MedianPruning,
    Report,
    search,
)
from aigc_tutorial.adaptation.space import (
    Choice,
    Integers,
    LogUniform,
    Parameter,
    Uniform,
    with_settings,
)

__all__ = [
    "Choice",
    "Classifier",
    "ClassifierTrainer",
    "FineTuningConfig",
    "FineTuningResult",
    "HyperbandPruning",
    "Integers",
    "LoRALinear",
    "LogUniform",
    "MedianPruning",
    "Parameter",
    "Report",
    "SearchResult",
    "SearchTrial",
    "Uniform",
    "add_lora",
    "class_probabilities",
    "encode_texts",
    "load_lora",
    "lora_layers",
    "merge_lora",
    "remove_lora",
    "save_lora",
    "search",
    "text_features",
    "train_classifier",
    "unmerge_lora",
    "with_settings",
    "without_lora",
]
