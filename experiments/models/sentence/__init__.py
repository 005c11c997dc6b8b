"""Sentence encoders and the spaces they make."""
