"""Financial news: sentiment, topics, and an alarm when bad news pile up.

Classifiers of counted words are scikit-learn's; a fine-tuned language model of
:mod:`aigc_tutorial.adaptation` gives its probabilities in the same form. What they name becomes
shares, corrected for their errors, and the shares of each hour go to detectors, which ring:

>>> import torch
>>> from aigc_tutorial.apps import news
>>> n, k = torch.full((1, 48), 20.0), torch.full((1, 48), 3.0)
>>> k[:, 40:] = 9  # of twenty tweets an hour nine are bearish, before it was three
>>> z = news.standardised(n, k, torch.tensor([0.15]))
>>> rings = news.watch(news.Cusum(), z, n, k, thresholds=[5.0])
>>> rings[0, 0].nonzero()[0].item()
41
"""

from aigc_tutorial.apps.news.alarms import (
    Cusum,
    Detector,
    Ewma,
    MovingCount,
    MovingShare,
    siegmund_run_length,
    standardised,
    watch,
)
from aigc_tutorial.apps.news.dashboard import TopicTrend, dashboard, topic_trends
from aigc_tutorial.apps.news.operating import OperatingPoint, at_false_alarms, operating_curve
from aigc_tutorial.apps.news.sentiment import (
    WORD_LISTS,
    bootstrap_interval,
    letter_groups,
    macro_f1,
    word_list_sentiment,
    word_pairs,
)
from aigc_tutorial.apps.news.shares import (
    NamingRates,
    adjusted_share,
    naming_rates,
    share_interval,
)
from aigc_tutorial.apps.news.stream import Burst, Rates, Stream, draw_stream, hourly_counts
from aigc_tutorial.apps.news.topics import (
    KEYWORDS,
    agreement,
    clusters,
    keyword_topics,
    top_words,
)

__all__ = [
    "KEYWORDS",
    "WORD_LISTS",
    "Burst",
    "Cusum",
    "Detector",
    "Ewma",
    "MovingCount",
    "MovingShare",
    "NamingRates",
    "OperatingPoint",
    "Rates",
    "Stream",
    "TopicTrend",
    "adjusted_share",
    "agreement",
    "at_false_alarms",
    "bootstrap_interval",
    "clusters",
    "dashboard",
    "draw_stream",
    "hourly_counts",
    "keyword_topics",
    "letter_groups",
    "macro_f1",
    "naming_rates",
    "operating_curve",
    "share_interval",
    "siegmund_run_length",
    "standardised",
    "top_words",
    "topic_trends",
    "watch",
    "word_list_sentiment",
    "word_pairs",
]
