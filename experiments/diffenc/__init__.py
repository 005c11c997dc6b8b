"""What the DiffEnc entry points share: a config as live objects, evaluation, and pictures."""
