"""Models that are read from files: sentence encoders and language models."""
