"""From a raw table to checked rows: kinds of columns, splits, targets. Files are read in store.sources."""
