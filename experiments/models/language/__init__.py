"""Language models, one architecture a file, and what is read off them."""
