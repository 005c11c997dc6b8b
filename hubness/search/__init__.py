"""Exact search among rows, in blocks: no query × point array exists at any time."""
