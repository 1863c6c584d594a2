"""What an evaluation writes for its page: curves, examples with their media, a map of the rows, where all came from."""
