"""Texts and their corpora."""
