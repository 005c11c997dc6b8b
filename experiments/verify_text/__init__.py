"""Our text models against the PyTorch reference."""
