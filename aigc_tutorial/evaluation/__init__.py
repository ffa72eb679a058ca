"""Measures of samples, how near to the data, how varied, whether copied; and of likelihood.

Each takes features or samples as tensors, says how many it needs, and refuses fewer. Nothing here
looks at pixels through a network trained on photographs: the features of digits are those of
:class:`DigitClassifier`, and the distances between them are called *digit-feature* distances.
"""

from aigc_tutorial.evaluation.classifier import (
    ClassifierTrainingConfig,
    DigitClassifier,
    DigitClassifierConfig,
    Prediction,
    accuracy,
    predict,
    random_affine,
    train_classifier,
)
from aigc_tutorial.evaluation.conditional import ClassReport, class_report
from aigc_tutorial.evaluation.coverage import (
    ModeCoverage,
    class_shares,
    kl_to_uniform,
    mode_coverage,
)
from aigc_tutorial.evaluation.density_coverage import DensityCoverage, density_coverage
from aigc_tutorial.evaluation.digits import DigitReference, DigitReport, evaluate_digits
from aigc_tutorial.evaluation.frechet import (
    FeatureStatistics,
    feature_statistics,
    frechet_distance,
)
from aigc_tutorial.evaluation.kernel import KernelDistance, kernel_distance, squared_mmd
from aigc_tutorial.evaluation.likelihood import (
    LikelihoodReport,
    sequence_likelihood,
    text_likelihood,
)
from aigc_tutorial.evaluation.line import jensen_shannon_1d, wasserstein_1d
from aigc_tutorial.evaluation.metric import frechet_metric
from aigc_tutorial.evaluation.neighbours import (
    CopyReport,
    Neighbours,
    copy_report,
    nearest_neighbours,
)
from aigc_tutorial.evaluation.precision_recall import PrecisionRecall, precision_recall
from aigc_tutorial.evaluation.throughput import Throughput, samples_per_second
from aigc_tutorial.evaluation.two_sample import (
    TwoSampleConfig,
    TwoSampleResult,
    classifier_two_sample_test,
)

__all__ = [
    "ClassReport",
    "ClassifierTrainingConfig",
    "CopyReport",
    "DensityCoverage",
    "DigitClassifier",
    "DigitClassifierConfig",
    "DigitReference",
    "DigitReport",
    "FeatureStatistics",
    "KernelDistance",
    "LikelihoodReport",
    "ModeCoverage",
    "Neighbours",
    "PrecisionRecall",
    "Prediction",
    "Throughput",
    "TwoSampleConfig",
    "TwoSampleResult",
    "accuracy",
    "class_report",
    "class_shares",
    "classifier_two_sample_test",
    "copy_report",
    "density_coverage",
    "evaluate_digits",
    "feature_statistics",
    "frechet_distance",
    "frechet_metric",
    "jensen_shannon_1d",
    "kernel_distance",
    "kl_to_uniform",
    "mode_coverage",
    "nearest_neighbours",
    "precision_recall",
    "predict",
    "random_affine",
    "samples_per_second",
    "sequence_likelihood",
    "squared_mmd",
    "text_likelihood",
    "train_classifier",
    "wasserstein_1d",
]
