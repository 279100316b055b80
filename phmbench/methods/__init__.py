"""Methods: how an episode is classified, `(network, support, query)` to one score a way; one to a file."""
