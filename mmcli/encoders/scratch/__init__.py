"""Encoders that train makes from nothing, one a file."""
