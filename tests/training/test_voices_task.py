"""Training a codec with voices, and what is measured of its speakers when it is done."""

from dataclasses import asdict, replace
from math import isfinite

import pytest
import torch
from omegaconf import OmegaConf
from torch.utils.tensorboard import SummaryWriter

from tests.small_voices import VOICES, small_voices
from tests.training.test_codec_task import CONFIG, make, run, same, weights
from vqaudio import Codec
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.models.voices import VoicesConfig
from vqaudio.training import voice_pitch
from vqaudio.training.codec import CodecTask
from vqaudio.training.export import export
from vqaudio.training.held_out import HeldOut
from vqaudio.training.initial import OF_SPEAKERS, Initial
from vqaudio.training.loop import LoopConfig, train

pytest.importorskip("parselmouth")


def test_the_decoder_learns_who_speaks(corpus):
    task = make(corpus, replace(CONFIG, quantize_from=0), VOICES)
    assert task.speakers == ["1455", "2414"]
    before = weights(task)
    figures = run(task, range(3))
    assert figures[-1]["mel"] > 0
    after = weights(task)
    for name in ("voices.embedding.weight", "voices.rise.weight"):
        assert not torch.equal(before[name], after[name])
    third = "voices.embedding.weight"  # room for a speaker whom the corpus does not have
    decayed = before[third][2] * (after[third][2] / before[third][2]).mean()
    torch.testing.assert_close(after[third][2], decayed)


def test_a_step_is_the_same_whoever_loads_it(corpus):
    ours, theirs = (make(corpus, CONFIG, VOICES) for _ in range(2))
    run(ours, range(2))
    for n, batch in enumerate(theirs.batches(range(2))):
        theirs.step(batch, n)
    assert same(weights(ours), weights(theirs))


def test_other_speakers_are_refused(corpus):
    with pytest.raises(ModelError, match="2 speakers, the model room for 1"):
        make(corpus, CONFIG, replace(VOICES, voices=VoicesConfig(1)))
    task = make(corpus, CONFIG, VOICES)
    state = task.state_dict()
    with pytest.raises(ModelError, match="other speakers"):
        task.load_state_dict(state | {"speakers": ["1455", "someone else"]})


def test_voices_of_others_are_not_taken_over(corpus):
    """A start from a model of other speakers takes all but what it has of each of them."""
    first = make(corpus, CONFIG, VOICES)
    run(first, range(2))
    given = first.model.state_dict()
    ours = make(corpus, CONFIG, VOICES, initial=Initial(given, True, None, ("1455", "2414")))
    assert same(weights(ours), given)
    theirs = make(corpus, CONFIG, VOICES, initial=Initial(given, True, None, ("anna", "ben")))
    taken = weights(theirs)
    assert not torch.equal(taken["voices.embedding.weight"], given["voices.embedding.weight"])
    others = [name for name in given if name not in OF_SPEAKERS]
    assert all(torch.equal(taken[name], given[name]) for name in others)


def test_held_out_clips_of_strangers_alone_are_refused(corpus, tmp_path):
    held_out = HeldOut(corpus, frame=128, clips=2, seconds=1, shown=1)
    (wave, known), (other, _) = held_out.waves
    held_out.waves = [(wave, known), (other, "a stranger")]
    task = CodecTask(
        VOICES, replace(CONFIG, quantize_from=0), corpus, held_out, torch.device("cpu")
    )
    with SummaryWriter(tmp_path) as writer:
        assert isfinite(task.evaluate(1, writer))
    held_out.waves = [(wave, "a stranger"), (other, "a stranger")]
    with pytest.raises(ModelError, match="none of the held-out clips"):
        CodecTask(VOICES, CONFIG, corpus, held_out, torch.device("cpu"))


def test_speakers_pitch_is_measured_and_that_of_codes_learned(corpus):
    """Both speakers of the corpus are men of some 80 and 110 Hz."""
    model = small_voices().model
    model.voices.pitch.zero_()
    fit = voice_pitch.measure(model, corpus, ["1455", "2414"], stretch=0.5)
    hertz = model.voices.pitch.exp2()
    assert 60 < hertz[0] < 180
    assert 60 < hertz[1] < 180
    assert hertz[2] == 1
    assert fit.stretches >= 5
    assert 0 < fit.error < 12
    with pytest.raises(VqaudioError, match="too few"):
        voice_pitch.measure(model, corpus, ["1455", "2414"], stretch=8.0)


def test_from_a_run_to_a_codec_that_speaks(corpus, corpus_folder, tmp_path, speech, monkeypatch):
    task = make(corpus, CONFIG, VOICES)
    loop = LoopConfig(steps=2, num_workers=0)
    train(task, task.batches, loop, tmp_path / "run")
    config = {"data": {"train": str(corpus_folder)}, "training": asdict(CONFIG)}
    OmegaConf.save(OmegaConf.create(config), tmp_path / "run" / "config.yaml")
    monkeypatch.setattr(voice_pitch, "HELD_OUT", 2)  # the corpus has six stretches
    export(tmp_path / "run", tmp_path / "model")
    codec = Codec.load(tmp_path / "model")
    assert codec.speakers == ("1455", "2414")
    assert codec.card["pitch"]["stretches"] == 3
    assert codec.card["emphasis"] > 1
    codes = codec.encode(speech[0][:16000], 16000)
    assert codec.decode(codes, "2414").shape == (1, 16000)
