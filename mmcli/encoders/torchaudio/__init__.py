"""Encoders that torchaudio has, with its weights or without, one a file."""
