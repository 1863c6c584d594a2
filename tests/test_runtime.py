import os

import pytest
import torch

from mmcli.cli import main
from mmcli.errors import MmcliError
from mmcli.runtime import Runtime, detect


@pytest.fixture
def torch_settings(monkeypatch):
    """Torch's own settings, put back as they were."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize(("deterministic", "device"), [(True, "cuda"), (True, "auto"), (False, "cuda")])
def test_deterministic_sets_torch_up_on_a_gpu(deterministic, device, torch_settings, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Runtime(device=device, deterministic=deterministic).torch_device() == "cuda"
    assert torch.are_deterministic_algorithms_enabled() is deterministic
    assert torch.backends.cudnn.benchmark is not deterministic
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if deterministic else None)


def test_a_cpu_needs_nothing_for_it(torch_settings):
    assert Runtime(device="cpu", deterministic=True).torch_device() == "cpu"
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "--jobs must be at least 1"),
        ({"batch_size": 0}, "--batch-size must be at least 1"),
        ({"device": "gpu"}, "unknown --device 'gpu'"),
        ({"precision": "int8"}, "unknown --precision 'int8'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    given = {"jobs": None, "device": "auto", "precision": "auto", "batch_size": None, "seed": 0, **options}
    with pytest.raises(MmcliError, match=message):
        detect(**given)


def test_results_come_in_the_order_of_the_items():
    for jobs in (1, 4):
        assert Runtime(jobs=jobs).map(lambda item: item * item, range(100)) == [item * item for item in range(100)]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), "its memory is full; stop"),
        (
            RuntimeError("adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but you set"),
            "--deterministic: adaptive_avg_pool2d_backward_cuda has no deterministic algorithm on a GPU; leave out",
        ),
        (torch.AcceleratorError("CUDA error: no kernel image\nCompile with"), "--device cuda: CUDA error: no ker"),
        (RuntimeError("shapes cannot be multiplied"), None),
    ],
)
def test_gpu_errors_are_one_line(error, message, monkeypatch, capsys):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("mmcli.cli.app", fail)
    monkeypatch.setattr("mmcli.cli._share_one_heap", lambda: None)
    monkeypatch.setattr("mmcli.cli.signal.signal", lambda *arguments: None)
    with pytest.raises(RuntimeError if message is None else SystemExit) as raised:
        main()
    told = capsys.readouterr().err
    if message is None:
        assert raised.value is error
    else:
        assert raised.value.code == 1
        assert message in told
        assert told.count("\n") == 1
