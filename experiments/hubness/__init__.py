"""Hubness of embedding spaces: what a change of space or distance does to it, and to kNN error."""
