"""Encoders of transformers and timm, from folders or the Hugging Face hub."""
