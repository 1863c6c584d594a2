"""The stages: each drives one transform over rows, or trains, evaluates and predicts with a chain of them."""
