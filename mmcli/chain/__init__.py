"""The transforms of preprocess, extract-features and fuse, and the driver that runs them over rows."""
