"""What a user gets from an install: configurations and weights inside, no network, a quick start."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import vqaudio
from vqaudio import pretrained

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--quiet", "-w", out, ROOT], check=True, cwd=out)
    return next(out.glob("*.whl"))


def test_wheel_carries_configurations_and_weights(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "configs").rglob("*.yaml"):
        assert f"vqaudio/{path.relative_to(ROOT)}" in names
    for model in pretrained.names() + pretrained.prior_names():
        assert f"vqaudio/pretrained/{model}/model.safetensors" in names
        assert f"vqaudio/pretrained/{model}/card.json" in names
    assert not [name for name in names if name.startswith(("tests", "recipes", "tools"))]


def test_installed_elsewhere_it_works(wheel, tmp_path, speech_path):
    """From the unpacked wheel alone, not from the checkout: code a recording, compose a config."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import vqaudio, torch, soundfile\n"
        "assert vqaudio.__file__.startswith(sys.argv[1])\n"
        "wave, rate = soundfile.read(sys.argv[2], dtype='float32')\n"
        "codec = vqaudio.load_codec()\n"
        "assert codec.decode(codec.encode(wave, rate)).shape == (1, len(wave))\n"
        "from vqaudio.config import config_directory\n"
        "assert str(config_directory()).startswith(sys.argv[1]), config_directory()\n"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / "site"), str(speech_path)]
    subprocess.run(arguments, check=True, cwd=tmp_path)


def test_public_names():
    for name in vqaudio.__all__:
        assert getattr(vqaudio, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = vqaudio.nothing_here
