"""Methods that fuse features without labels, one a file."""
