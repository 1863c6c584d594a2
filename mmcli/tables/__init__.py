"""Turns a raw table into checked rows: kinds of columns, splits, targets. Files are read in store.sources."""
