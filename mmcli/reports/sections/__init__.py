"""The parts of a page: one file with what it reads and a template of the same name each; ``table`` lists them."""
