"""Contract tests for authors of extractors, encoders, fusion methods, tasks, augmentations and estimators.

mmcli's own pass the same.

Each takes a name as people type it, of something that is installed or was given to ``use_plugins``, and raises
AssertionError where it breaks a rule that every one of its kind must keep.
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
