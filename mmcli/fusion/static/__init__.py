"""Methods that fuse features without labels, one per file."""
