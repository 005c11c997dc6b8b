"""Score networks and encoder networks, as Flax modules."""
