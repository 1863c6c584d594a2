"""The transforms of preprocess, extract-features and fuse, and what drives them over rows. No command lives here."""
