"""Embeddings of rows, an index of them, and search."""
