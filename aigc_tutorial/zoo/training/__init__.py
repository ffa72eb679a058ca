"""What trains the zoo, one file a model: ``aigc-tutorial zoo train NAME``."""
