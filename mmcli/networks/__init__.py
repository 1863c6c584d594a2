"""What a network is to be built of, and the building of it; its parts live in encoders, fusion and models."""
