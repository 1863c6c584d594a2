"""Embeddings of rows, an index of them, and the search in it."""
