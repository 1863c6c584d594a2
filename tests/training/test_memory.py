"""What memory there is for training, as the system, control groups and a GPU say it, and what a run says it took."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmcli.training.memory import cgroup_free, memory_budget


def group(folder: Path, **files: int | str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


def test_free_memory_of_a_control_group(tmp_path):
    told = tmp_path / "told"
    told.write_text("0::/\n")
    assert cgroup_free(tmp_path, told) is None
    told.write_text("0::/outer/inner\n")
    group(tmp_path / "outer", memory__max=1000, memory__current=700, memory__stat="anon 500\ninactive_file 50")
    group(tmp_path / "outer/inner", memory__max="max", memory__current=600, memory__stat="inactive_file 40")
    assert cgroup_free(tmp_path, told) == 1000 - 700 + 50
    (tmp_path / "outer/inner/memory.max").write_text("620\n")
    assert cgroup_free(tmp_path, told) == 620 - 600 + 40
    (tmp_path / "outer/inner/memory.current").write_text("900\n")
    assert cgroup_free(tmp_path, told) == 0
    assert cgroup_free(tmp_path, tmp_path / "not there") is None


def test_free_memory_of_a_version_1_control_group(tmp_path):
    told = tmp_path / "told"
    told.write_text("3:cpu,cpuacct:/deep\n2:memory:/deep\n0::/\n")
    stat = "inactive_file 1\ntotal_inactive_file 30"
    group(
        tmp_path / "memory", memory__limit_in_bytes=500, memory__usage_in_bytes=100, memory__stat=stat
    )  # as in a container, which sees its own group as the top and not the folder that the file names
    assert cgroup_free(tmp_path, told) == 500 - 100 + 30


def test_the_budget_of_a_cpu_is_half_of_what_is_free(monkeypatch):
    free = int(Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]) * 1024
    monkeypatch.setattr("mmcli.training.memory.cgroup_free", lambda: None)
    assert memory_budget("cpu") == pytest.approx(free / 2, rel=0.1)
    monkeypatch.setattr("mmcli.training.memory.cgroup_free", lambda: 2000)
    assert memory_budget("cpu") == 1000
    assert memory_budget("mps") is None


def test_the_budget_of_a_gpu_counts_what_torch_keeps_for_later(monkeypatch):
    seen = {"mem_get_info": (1000, 5000), "memory_reserved": 300, "memory_allocated": 100}
    for name, value in seen.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    assert memory_budget("cuda") == (1000 + 300 - 100) * 9 // 10


def test_run_json_says_what_memory_was_taken(chain):
    run = json.loads((chain / "model" / "run.json").read_text())
    now = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    assert type(run["peak_memory_mb"]) is int
    assert 100 < run["peak_memory_mb"] <= np.ceil(now)
    assert "peak_device_memory_mb" not in run
