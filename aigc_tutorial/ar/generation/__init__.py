"""From a model to a sequence: reading, sampling, streams, beams, pixels."""
