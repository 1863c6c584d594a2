"""How sure a figure is, and how a model does with fewer modalities."""
