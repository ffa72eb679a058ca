"""A support desk: it names what a customer wants, answers from its entries, or hands over.

>>> from aigc_tutorial import data
>>> from aigc_tutorial.apps import support
>>> entries = support.knowledge_base()
>>> index = support.BM25Index([entry.text for entry in entries])
>>> model = support.IntentsByIndex(index, entries)
>>> desk = support.SupportDesk({"en": support.Line(model, 1.0, 0.5, entries, index)})
>>> desk.reply("which payment methods do you accept?").entry.sentences[1]
'Paying on delivery is possible for orders under 200 dollars.'
"""

from aigc_tutorial.apps.support.abstention import (
    THRESHOLDS,
    Promise,
    coverage_curve,
    n_needed,
    promise,
    risk_bound,
)
from aigc_tutorial.apps.support.calibration import (
    Reliability,
    fit_temperature,
    reliability,
    temperature_scaled,
)
from aigc_tutorial.apps.support.desk import (
    IntentModel,
    IntentsByIndex,
    Line,
    Reply,
    SupportDesk,
)
from aigc_tutorial.apps.support.grounding import (
    FUNCTION_WORDS,
    Grounding,
    check_grounding,
    sentences,
)
from aigc_tutorial.apps.support.intents import (
    COUNTINGS,
    WAYS,
    CountedWords,
    TunedModel,
    Way,
    accuracy,
    rows_of,
    tune,
)
from aigc_tutorial.apps.support.knowledge import (
    DetailQuestion,
    Entry,
    detail_questions,
    knowledge_base,
)
from aigc_tutorial.apps.support.retrieval import (
    BM25Index,
    Index,
    RetrievalQuality,
    VectorIndex,
    counted_embedding,
    language_model_embedding,
    latent_semantic_embedding,
    retrieval_quality,
    terms,
)
from aigc_tutorial.apps.support.unknown import auroc, energy, largest_probability, nearness
from aigc_tutorial.apps.support.writing import WordFence, log_likelihood, sentence_scores, write

__all__ = [
    "COUNTINGS",
    "FUNCTION_WORDS",
    "THRESHOLDS",
    "WAYS",
    "BM25Index",
    "CountedWords",
    "DetailQuestion",
    "Entry",
    "Grounding",
    "Index",
    "IntentModel",
    "IntentsByIndex",
    "Line",
    "Promise",
    "Reliability",
    "Reply",
    "RetrievalQuality",
    "SupportDesk",
    "TunedModel",
    "VectorIndex",
    "Way",
    "WordFence",
    "accuracy",
    "auroc",
    "check_grounding",
    "counted_embedding",
    "coverage_curve",
    "detail_questions",
    "energy",
    "fit_temperature",
    "knowledge_base",
    "language_model_embedding",
    "largest_probability",
    "latent_semantic_embedding",
    "log_likelihood",
    "n_needed",
    "nearness",
    "promise",
    "reliability",
    "retrieval_quality",
    "risk_bound",
    "rows_of",
    "sentence_scores",
    "sentences",
    "temperature_scaled",
    "terms",
    "tune",
    "write",
]
