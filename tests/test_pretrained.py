"""The released weights: what their cards claim, and that they do their work on real speech."""

import hashlib
import json

import numpy as np
import pytest
import torch

from tests.conftest import SPEECH
from vqaudio import audio, pretrained
from vqaudio.codec import load_codec
from vqaudio.codes import Codes
from vqaudio.evaluation.metrics import METRICS, estoi, pesq_wb
from vqaudio.evaluation.metrics.speaker import embedding
from vqaudio.prior import load_prior

RATES = {"speech64": 2300, "speech128": 1175}
"""Bits per second that a 10 s clip may take, everything counted."""
FLOORS = {"speech64": (1.74, 0.78, 0.9), "speech128": (1.36, 0.68, 0.75)}
"""PESQ-WB, ESTOI and share of the codes used, on the two clips in tests/speech.

A little under what was measured, as a guard against regressions; the scorecards on twenty clips are
on the cards and in the README. These two clips are among the hardest of the twenty, and too short to
use every code.
"""
BITS = {"speech64-prior": 6.5}
"""Per code, on the same two clips: a little over what was measured. Packed codes take 9."""


@pytest.fixture(scope="module", params=["speech64", "speech128"])
def codec(request):
    torch.set_num_threads(2)
    return load_codec(request.param, "cpu")


def test_card_is_complete(codec):
    name = codec.card["name"]
    folder = pretrained.find(name)
    weights = (folder / "model.safetensors").read_bytes()
    card = json.loads((folder / "card.json").read_text())
    assert card["sha256"] == hashlib.sha256(weights).hexdigest()
    assert card["fingerprint"] == codec.fingerprint.hex()
    assert len(weights) <= 16 * 2**20
    assert card["data"]["hours"] > 0
    assert all(source["licence"] for source in card["data"]["sources"])
    assert card["training"]["steps"] > 0
    assert card["training"]["hours_on_the_clock"] > 0
    scores = {name: codec["scores"] for name, codec in card["held_out"]["codecs"].items()}
    assert scores[name]["pesq_wb"]["mean"] > scores["codec2-3200"]["pesq_wb"]["mean"]


def test_parameters_are_eight_million_at_most(codec):
    assert sum(p.numel() for p in codec.model.parameters()) <= 8e6


def test_rate_and_quality_on_speakers_it_never_heard(codec, tmp_path):
    used, scores = set(), []
    wave, rate = audio.read(SPEECH / "2414-128291-0005.flac")
    codec.encode(wave[:, : 10 * rate], rate).save(tmp_path / "ten.vqc")
    assert (tmp_path / "ten.vqc").stat().st_size <= RATES[codec.card["name"]] * 10 / 8
    for path in sorted(SPEECH.glob("*.flac")):
        wave, rate = audio.read(path)
        codes = codec.encode(wave, rate)
        codes.save(tmp_path / "x.vqc")
        decoded = codec.decode(Codes.load(tmp_path / "x.vqc"))
        assert decoded.shape == wave.shape
        used |= set(codes.indices.flatten().tolist())
        scores.append([f(wave[0].numpy(), decoded[0].numpy()) for f in (pesq_wb, estoi)])
    pesq, intelligibility = torch.tensor(scores).mean(0)
    measured = pesq, intelligibility, len(used) / 512
    floors = FLOORS[codec.card["name"]]
    assert all(value > floor for value, floor in zip(measured, floors, strict=True)), measured


@pytest.fixture(scope="module")
def voices():
    torch.set_num_threads(2)
    return load_codec("voices64", "cpu")


def test_the_card_of_voices_names_them_and_their_licences(voices):
    assert len(voices.speakers) == 210
    assert all(source["licence"] for source in voices.card["data"]["sources"])
    assert voices.card["training"]["steps"] > 0
    folder = pretrained.find("voices64")
    assert (folder / "model.safetensors").stat().st_size <= 16 * 2**20
    assert voices.card["fingerprint"] == voices.fingerprint.hex()


@pytest.mark.skipif(METRICS["speaker"].missing() is not None, reason="Resemblyzer is not installed")
def test_converted_speech_is_nearer_to_whom_it_was_made_to_be(voices):
    """Of two speakers it never heard, in four voices: to each other's, all four apart."""
    targets = ["librispeech/26", "librispeech/19", "kerstin/kerstin", "festvox-ru/nsh_m"]
    for path in sorted(SPEECH.glob("*.flac")):
        wave, rate = audio.read(path)
        source = embedding(wave[0].numpy())
        codes = voices.encode(wave[:, : 6 * rate], rate)
        said = [embedding(voices.decode(codes, name)[0].numpy()) for name in targets]
        likeness = np.array(said) @ source
        assert likeness.max() < 0.8, likeness  # what speech64 restores is at .9
        among = np.array(said) @ np.array(said).T
        assert among[np.triu_indices(4, 1)].max() < 0.8


def test_words_survive_conversion(voices):
    """By what a measure of intelligibility hears once the pitch is the source's own."""
    wave, rate = audio.read(SPEECH / "1455-134435-0000.flac")
    codes = voices.encode(wave, rate)
    said = voices.decode(codes, "librispeech/26", semitones=0)
    assert estoi(wave[0].numpy(), said[0].numpy()) > 0.55


@pytest.mark.parametrize("name", sorted(BITS))
def test_prior_makes_files_smaller_and_restores_every_code(name, tmp_path):
    torch.set_num_threads(2)
    assert name in pretrained.prior_names()
    prior = load_prior(name, "cpu")
    codec_name = pretrained.name_of(prior.codec)
    assert pretrained.prior_of(prior.codec) == name
    assert (pretrained.find_prior(name) / "model.safetensors").stat().st_size <= 16 * 2**20
    assert all(source["licence"] for source in prior.card["data"]["sources"])
    codec, bits = load_codec(codec_name, "cpu"), []
    for path in sorted(SPEECH.glob("*.flac")):
        codes = codec.encode(*audio.read(path))
        bits.append(prior.bits(codes).mean().item())
        codes.save(tmp_path / "packed.vqc")
        codes.save(tmp_path / "coded.vqc", entropy=True)
        assert Codes.load(tmp_path / "coded.vqc").equal(codes)
        sizes = [(tmp_path / name).stat().st_size for name in ("coded.vqc", "packed.vqc")]
        assert sizes[0] < 0.85 * sizes[1]
    assert sum(bits) / len(bits) < BITS[name]
