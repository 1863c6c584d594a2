"""Why a model predicts what it does: which parts of a row's inputs, and which inputs of all rows, matter."""
