"""Methods that combine what a model of each modality predicts, one a file."""
