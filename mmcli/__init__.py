"""A command-line toolchain for multimodal learning."""

__version__ = "0.1.0"
