"""Plans and builds networks from the parts in encoders, fusion and models."""
