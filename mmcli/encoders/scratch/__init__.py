"""Encoders trained from scratch, one per file."""
