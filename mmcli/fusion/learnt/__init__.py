"""Methods that train learns as the first layer of a network, one a file."""
