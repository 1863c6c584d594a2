"""Contract tests for authors of extractors, encoders, fusion methods, tasks, augmentations and estimators.

mmcli's own pass the same.

Each takes a name as typed on the command line, of something installed or given to ``use_plugins``, and raises
AssertionError if it violates the contract of its kind.
"""

from mmcli.plugins import use_plugins
from mmcli.testing.augmentations import check_augmentation
from mmcli.testing.encoders import check_encoder
from mmcli.testing.estimators import check_estimator
from mmcli.testing.extractors import check_extractor
from mmcli.testing.fusion import check_fusion
from mmcli.testing.inputs import sample_input
from mmcli.testing.tasks import check_task

__all__ = [
    "check_augmentation",
    "check_encoder",
    "check_estimator",
    "check_extractor",
    "check_fusion",
    "check_task",
    "sample_input",
    "use_plugins",
]
