"""Encoders that torchvision has, with its weights or without, one a file."""
