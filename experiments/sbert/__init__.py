"""Sentence encoders trained on pairs, and the hubness of what they learn."""
