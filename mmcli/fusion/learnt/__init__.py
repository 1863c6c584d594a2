"""Methods that are trained as the first layer of a network, one per file."""
