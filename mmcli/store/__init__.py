"""What is stored on disk: artifacts, manifests, sharded tensors, keys and the ledger."""
