"""Training classifiers that share a data set, and how near they come to each other."""
