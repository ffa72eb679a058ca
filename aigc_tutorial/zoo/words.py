"""What the numbers on the cards are called where people read them."""

WORDS = {
    "accuracy_test": "accuracy on test digits",
    "bits_per_byte_docstrings": "bits per byte, docstrings",
    "bits_per_byte_documentation": "bits per byte, documentation",
    "bits_per_byte_shakespeare": "bits per byte, Shakespeare",
    "bits_per_character": "bits per character",
    "bits_per_character_of_ngrams": "bits per character, of 3-grams",
    "bits_per_pixel": "bits per pixel",
    "class_agreement": "share of samples that show the class asked for",
    "frechet": "Fréchet distance",
    "frechet_blur": "Fréchet distance of blurred digits",
    "frechet_noise": "Fréchet distance of noise",
    "frechet_noisy": "Fréchet distance of digits with noise",
    "frechet_one_digit": "Fréchet distance of ones alone",
    "frechet_real": "Fréchet distance of real digits",
    "frechet_real_train": "Fréchet distance of 10,000 training digits",
    "frechet_real_train_60k": "Fréchet distance of all training digits",
    "frechet_within_classes": "Fréchet distance within classes, mean",
    "frechet_within_classes_real": "Fréchet distance within classes, mean, of real digits",
    "kernel": "kernel distance",
    "kl_to_uniform": "KL divergence of the classes from equal shares",
    "nats_per_byte_documentation": "nats per byte, documentation",
    "nats_per_byte_overlapping_documentation": "nats per byte, documentation, overlapping windows",
    "nats_per_byte_overlapping_shakespeare": "nats per byte, Shakespeare, overlapping windows",
    "nats_per_byte_shakespeare": "nats per byte, Shakespeare",
    "nats_per_character": "nats per character",
    "nats_per_character_overlapping": "nats per character, overlapping windows",
    "nats_per_image": "nats per image",
    "precision": "precision",
    "rarest_share": "share of the rarest class",
    "recall": "recall",
    "share_of_lines_copied": "share of lines that are copied",
    "share_of_lines_copied_of_ngrams": "share of lines that are copied, of 3-grams",
    "share_that_scans": "share of poems that scan",
    "share_that_scans_of_ngrams": "share of poems that scan, of 3-grams",
}
"""By the name that a card's file gives to a number."""


def in_words(name: str) -> str:
    """What a number is called.

    >>> in_words("frechet"), in_words("of_my_own")
    ('Fréchet distance', 'of my own')

    Args:
        name: of a metric on a card.
    """
    return WORDS.get(name, name.replace("_", " "))
