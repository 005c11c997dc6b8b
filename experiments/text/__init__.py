"""Texts, sentence encoders and causal language models: what the text experiments read and run."""
