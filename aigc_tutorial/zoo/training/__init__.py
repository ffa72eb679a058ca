"""What trains the zoo, one file a model: ``python -m aigc_tutorial.zoo.training NAME``."""
