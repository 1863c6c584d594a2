"""Configs from keywords, as tests write them."""

from mmcli.options import make
from mmcli.tables.config import IntakeConfig


def intake_config(**options):
    """Return how a table is taken in."""
    return make(IntakeConfig, options)
