"""Encoders out of folders that transformers or timm wrote."""
