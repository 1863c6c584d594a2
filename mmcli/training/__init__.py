"""From an artifact to a model: what is asked, what is built, the data, the fit, folds and late fusion."""
