"""Many trainings held against each other. One training is trained in training."""
