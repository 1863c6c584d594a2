"""Rows in a batch where nobody says how many: those that fit in memory, recorded, and the same when a run goes on."""

import json
from types import SimpleNamespace

import pytest
import torch

from mmcli.errors import MmcliError, StoppedError
from mmcli.models.network import Network
from mmcli.reporting import Silent
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from mmcli.training import batch_size
from tests.stages.test_train import CtrlC

ENCODERS = ["picture=cnn:width=8,depth=2,dim=16", "words=embedding:dim=16", "table=mlp:dim=8"]
OPTIONS = {"encoder": ENCODERS, "patience": 0, "epochs": 2}


def weights(folder):
    return (folder / "network.safetensors").read_bytes()


def learn(chain, folder, **options):
    """Train; return the rows in a batch as the model records them, and what was said of them."""
    told = []
    reporter = options.setdefault("reporter", Silent())
    reporter.note = told.append
    train(str(chain / "samples"), folder, **{**OPTIONS, **options})
    return Artifact(folder).header["batch_size"], [text for text in told if text.startswith("batches of")]


@pytest.fixture
def budget(chain, tmp_path, monkeypatch):
    """Sets what memory there seems to be: enough for so many rows and no more."""
    costs = []
    measure = batch_size.measure_cost

    def measured(network, data):
        costs.append(measure(network, data))
        return costs[-1]

    with monkeypatch.context() as patch:
        patch.setattr(batch_size, "measure_cost", measured)
        learn(chain, tmp_path / "measured", epochs=1)
    [cost] = costs
    return lambda rows: monkeypatch.setattr(batch_size, "memory_budget", lambda device: cost.of(rows))


def test_where_memory_is_ample_it_is_64_and_looking_changes_nothing(chain, tmp_path):
    options = {"encoder": ["picture=resnet18:weights=none", *ENCODERS[1:]], "modality_dropout": 0.2, "epochs": 1}
    assert learn(chain, tmp_path / "auto", **options) == (64, [])
    assert learn(chain, tmp_path / "asked", batch_size=64, **options) == (64, [])
    assert weights(tmp_path / "auto") == weights(tmp_path / "asked")
    parameters = [Artifact(tmp_path / name).header["parameters"]["batch_size"] for name in ("auto", "asked")]
    assert parameters == ["auto", 64]


def test_weights_statistics_and_random_numbers_stay(chain, tmp_path, monkeypatch):
    """Of a network with batch norms, which keep statistics of all they see in training."""
    seen = []
    choose = batch_size.choose_batch_size

    def compared(network, data, most, reporter):
        before = {name: value.clone() for name, value in network.state_dict().items()}
        drawn = torch.get_rng_state()
        found = choose(network, data, most, reporter)
        assert torch.equal(torch.get_rng_state(), drawn)
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
        assert all(value.grad is None for value in network.parameters())
        assert network.modality_dropout == 0.2
        seen.extend(name for name in before if name.endswith("running_mean"))
        return found

    monkeypatch.setattr("mmcli.training.fit.choose_batch_size", compared)
    learn(chain, tmp_path / "model", encoder=["picture=resnet18:weights=none", *ENCODERS[1:]], modality_dropout=0.2)
    assert seen


@pytest.mark.parametrize(("rows", "expected"), [(64, 64), (63, 32), (17, 16), (1, 1)])
def test_it_is_the_largest_power_of_two_that_fits(chain, tmp_path, budget, rows, expected):
    budget(rows)
    size, told = learn(chain, tmp_path / "model", epochs=1)
    assert size == expected
    assert len(told) == (expected < 64)
    assert not told or told[0].startswith(f"batches of {expected} rows: 64 rows would need about")


def test_where_not_even_one_row_seems_to_fit_one_is_tried(chain, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_size, "memory_budget", lambda device: 0)
    assert learn(chain, tmp_path / "model", epochs=1)[0] == 1


def test_it_is_as_if_that_many_had_been_asked_for(chain, tmp_path, budget):
    budget(20)
    assert learn(chain, tmp_path / "auto")[0] == 16
    learn(chain, tmp_path / "asked", batch_size=16)
    assert weights(tmp_path / "auto") == weights(tmp_path / "asked")


def test_a_run_that_goes_on_keeps_it_whatever_memory_there_is_then(chain, tmp_path, budget):
    budget(20)
    with pytest.raises(StoppedError):
        train(str(chain / "samples"), tmp_path / "model", reporter=CtrlC(1), **{**OPTIONS, "epochs": 3})
    assert Artifact(tmp_path / "model").header["batch_size"] == 16
    budget(64)
    assert learn(chain, tmp_path / "model", epochs=3) == (16, [])
    learn(chain, tmp_path / "asked", epochs=3, batch_size=16)
    assert weights(tmp_path / "model") == weights(tmp_path / "asked")
    digest = Artifact(tmp_path / "model").digest
    budget(2)
    assert learn(chain, tmp_path / "model", epochs=3) == (16, [])
    assert Artifact(tmp_path / "model").digest == digest


def test_features_are_learnt_from_by_64(chain, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_size, "memory_budget", lambda device: 0)
    train(str(chain / "features"), tmp_path / "model", epochs=1)
    assert Artifact(tmp_path / "model").header["batch_size"] == 64


@pytest.fixture
def small_device(monkeypatch):
    """A device whose memory holds a batch of so many rows, though in the first ``epochs`` also all rows at once."""

    def holds(rows, epochs=0):
        forward, started = Network.forward, []

        def limited(self, features, present):
            taken = len(next(iter(present.values())))
            if self.training and taken > rows:
                started.append(taken)
                if len(started) > epochs:
                    raise torch.OutOfMemoryError("CUDA out of memory")
            return forward(self, features, present)

        monkeypatch.setattr(Network, "forward", limited)

    return holds


def test_where_memory_runs_out_in_the_first_epoch_half_as_many_are_taken(chain, tmp_path, small_device):
    learn(chain, tmp_path / "asked", batch_size=8)
    small_device(10)
    size, told = learn(chain, tmp_path / "auto")
    assert (size, len(told)) == (8, 3)
    assert told[-1] == "batches of 8 rows: 16 do not fit in memory (--batch-size chooses)"
    assert weights(tmp_path / "auto") == weights(tmp_path / "asked")


@pytest.mark.parametrize(
    ("holds", "options", "message"),
    [
        ((10,), {"batch_size": 12}, r"a train batch of 12 rows does not fit in its memory; try --batch-size 6"),
        ((0,), {}, r"a train batch of 1 row does not fit in its memory; try a smaller --encoder"),
        ((10, 1), {"epochs": 3}, r"a train batch of 64 rows does not fit in its memory; try --batch-size 32"),
    ],
)
def test_where_that_does_not_help_it_is_one_line(chain, tmp_path, small_device, holds, options, message):
    small_device(*holds)
    with pytest.raises(MmcliError, match=message):
        learn(chain, tmp_path / "model", **options)


class Exponential(torch.nn.Module):
    """Keeps the input of each layer for the way back; the second layer's weight, too, which is there in any case."""

    modality_dropout = 0.0

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(10, 6, bias=False), torch.nn.Linear(6, 2, bias=False)

    def forward(self, features, present):
        assert all(value.all() for value in present.values())
        return self.second(self.first(features["a"][0].float()).exp())


@pytest.mark.parametrize("rows", [2, 3])
def test_the_cost_of_a_row_is_the_memory_of_its_activations(rows):
    data = SimpleNamespace(
        device="cpu", longest=lambda: torch.arange(rows), train=SimpleNamespace(take=lambda taken: taken),
        make=lambda taken: SimpleNamespace(
            features={"a": (torch.zeros(len(taken), 10, dtype=torch.uint8),)},
            present={"a": torch.zeros(len(taken), dtype=torch.bool)},
        ),
    )  # fmt: skip
    cost = batch_size.measure_cost(Exponential(), data)
    waiting = 4 * 10  # batches of ten bytes a row: one computed on, one in the making, two in line
    assert cost.row == int(1.5 * (10 * 4 + 6 * 4 + waiting))
    assert cost.fixed == (10 * 6 + 6 * 2) * 4 * (3 + 4)
    assert cost.of(5) == cost.fixed + 5 * cost.row


@pytest.mark.gpu
def test_on_a_gpu_its_memory_is_looked_at_and_recorded(chain, tmp_path):
    assert learn(chain, tmp_path / "model", device="cuda") == (64, [])
    assert json.loads((tmp_path / "model" / "run.json").read_text())["peak_device_memory_mb"] >= 1
