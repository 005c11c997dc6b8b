"""What is recorded in results/, by what it was made, and whether it still stands."""
