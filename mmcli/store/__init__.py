"""What is kept on disk: artifacts, manifests, sharded tensors, keys and the ledger."""
