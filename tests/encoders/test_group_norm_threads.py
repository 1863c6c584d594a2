"""Training the small residual network with several threads: torch's own backward once tore the memory apart."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """
import sys
import torch
from mmcli.registry import ENCODERS, parse_spec
from mmcli.store.columns import FieldSpec, ModalitySpec

torch.manual_seed(0)
torch.set_num_threads(2)
spec = ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, 32, 32), "CHW")})
network = ENCODERS.build(parse_spec(sys.argv[1]), inputs=spec, seed=0).train()
images = torch.randint(0, 255, (16, 3, 32, 32), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
for rows in list(range(1, 17)) * 3:
    with torch.autocast("cpu", torch.bfloat16, enabled=rows % 2 == 0):
        features = network(images[:rows])
    features.float().square().mean().backward()
"""


@pytest.mark.parametrize("encoder", ["cnn:width=8,depth=2,dim=16", "cnn:width=16,depth=2"])
def test_training_with_two_threads_ends_well(encoder):
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, encoder], cwd=Path(__file__).parents[2], capture_output=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
