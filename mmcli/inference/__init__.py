"""A trained model in use: its inputs, its predictions and their evaluation. Nothing is fitted here."""
