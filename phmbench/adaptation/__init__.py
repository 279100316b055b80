"""How a network is adapted to unlabelled windows of the target, one method a file."""
