"""Hubs of language models: the parts behind `experiments.prediction_hubs`."""
