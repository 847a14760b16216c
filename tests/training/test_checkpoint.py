import pickle

import pytest
import torch

from vqaudio.errors import ModelError
from vqaudio.training import checkpoint
from vqaudio.training.checkpoint import Checkpoints


def test_keeps_the_last_few_and_the_best(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (10, 20, 30, 40):
        checkpoints.save(step, {"step": step}, best=step == 20)
    assert [p.name for p in checkpoints.list()] == ["step-000000030.pt", "step-000000040.pt"]
    assert checkpoint.load(checkpoints.latest())["step"] == 40
    assert checkpoint.load(tmp_path / "best.pt")["step"] == 20


def test_a_failed_write_leaves_the_old_one(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    path = checkpoints.save(1, {"step": 1})

    def half(state, target):
        target.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(1, {"step": 2})
    assert checkpoint.load(path)["step"] == 1
    assert checkpoints.latest() == path


def test_a_full_disk_is_an_os_error_and_leaves_no_part(tmp_path, monkeypatch):
    def full(state, target):
        target.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="cannot write"):
        Checkpoints(tmp_path).save(1, {})
    assert not list(tmp_path.iterdir())


def test_a_damaged_newest_is_an_error_not_a_crash(tmp_path):
    (tmp_path / "step-000000001.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="is not a checkpoint"):
        checkpoint.load(Checkpoints(tmp_path).latest())


def test_never_runs_code(tmp_path):
    class Harmful:
        def __reduce__(self):
            return print, ("harm",)

    path = tmp_path / "harmful.pt"
    torch.save({"step": Harmful()}, path, pickle_module=pickle)
    with pytest.raises(ModelError):
        checkpoint.load(path)
