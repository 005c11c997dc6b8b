"""What cosines between label representations tell: examples, checks, and an audit of a matrix."""
