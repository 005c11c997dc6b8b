"""Saved models and representations against each other: every measure, every bound, one page."""
