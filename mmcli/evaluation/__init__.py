"""Confidence intervals, paired tests, modality subsets and examples for evaluate."""
