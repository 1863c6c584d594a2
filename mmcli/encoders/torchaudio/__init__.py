"""Encoders of torchaudio, with or without its weights, one per file."""
