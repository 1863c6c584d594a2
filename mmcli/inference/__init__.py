"""A model opened: what it takes in, what it answers, how well it does. Nothing is learnt here."""
