"""Encoders of torchvision, with or without its weights, one per file."""
