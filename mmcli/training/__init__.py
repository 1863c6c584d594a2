"""From an artifact to a model: request, plan, data, fit, folds and late fusion."""
