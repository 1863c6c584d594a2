"""Methods that combine the predictions of one model per modality, one per file."""
