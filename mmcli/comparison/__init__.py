"""Compares many trainings; a single training is in ``training``."""
