"""Recordings through the paper's decoder: whose voice, what is drawn, and what samples cost."""

import pytest
import torch

from tests.small_waveform import SPEAKERS, small_model
from vqaudio.errors import ModelError
from vqaudio.evaluation.metrics import METRICS
from vqaudio.evaluation.waveform_bits import SampleBits, sample_bits, together
from vqaudio.evaluation.waveform_clips import (
    bits_of,
    draw,
    encode,
    read_clip,
    score,
    speaker_in,
)
from vqaudio.evaluation.waveform_report import Drawing, Judged, report, table
from vqaudio.level import TARGET_LEVEL, LevelMeter


def test_a_clip_is_cut_to_codes_at_the_level_of_the_model(speech_path, speech):
    wave, gain = read_clip(speech_path, 16000, 64, 1.001)
    assert len(wave) == 16000
    torch.testing.assert_close(wave / gain, speech[0][:16000])
    wave, _ = read_clip(speech_path, 16000, 64, 60)
    assert len(speech[0]) - 64 < len(wave) <= len(speech[0])
    meter = LevelMeter(16000, 1)
    meter.update(wave[None])
    assert abs(meter.levels()[0] - TARGET_LEVEL) <= 0.5


def test_the_speaker_is_whose_name_the_folders_end_with():
    speakers = ["b", "a/b", "x/a/b", "ab"]
    assert speaker_in("/root/a/b/clip.wav", speakers) == "a/b"
    assert speaker_in("/root/x/a/b/clip.wav", speakers) == "x/a/b"
    assert speaker_in("/root/ab/clip.wav", speakers) == "ab"
    assert speaker_in("/root/b/c/clip.wav", speakers) is None
    assert speaker_in("/root/clip.wav", []) is None


def coded(model, wave, speaker="1455"):
    return encode(model, wave, 2.0, SPEAKERS, speaker)


def test_bits_are_those_of_the_training_pass(speech):
    model, wave = small_model(), speech[0][16000:17600]
    clip = coded(model, wave)
    with torch.no_grad():
        expected = model(wave[None], torch.tensor([0])).bits.double().sum().item()
    found = bits_of(model, clip, seed=0)
    assert found.samples == 1600
    assert abs(found.true - expected) < 1e-3 * expected
    assert len({round(bits, 3) for bits in found[1:]}) == 3
    assert bits_of(model, clip, seed=0) == found
    other = bits_of(model, clip, seed=1)
    assert (other.true, other.zeroed) == (found.true, found.zeroed)
    assert other.shuffled != found.shuffled
    assert bits_of(model, coded(model, wave, "2414"), seed=0).true != found.true


def test_a_decoder_told_one_code_finds_any_order_as_good(speech):
    model, wave = small_model(), speech[0][16000:16160]
    vectors = torch.ones(1, 10, 4)
    found = sample_bits(model, wave, vectors, torch.tensor([0]), seed=0)
    assert found.true == found.shuffled
    assert found.true != found.zeroed


def test_means_are_over_samples():
    both = together([SampleBits(10, 20.0, 30.0, 40.0), SampleBits(30, 180.0, 210.0, 240.0)])
    assert both.per_sample() == {"bits": 5.0, "bits_shuffled": 6.0, "bits_zeroed": 7.0}


def test_clips_drawn_side_by_side_are_those_drawn_alone(speech):
    """Of several lengths: what is after a clip's end in its batch changes nothing in it."""
    model = small_model()
    lengths = (480, 160, 320)
    clips = [coded(model, speech[0][16000 : 16000 + n]) for n in lengths]
    alone = [next(draw(model, [clip], 3, 0.9, rows=1))[1] for clip in clips]
    for rows in (1, 2, 3):
        drawn = dict(draw(model, clips, 3, 0.9, rows))
        assert sorted(drawn) == [0, 1, 2]
        assert all(torch.equal(drawn[i], alone[i]) for i in range(3))
    assert [len(wave) for wave in alone] == list(lengths)
    as_model = model.decode(
        clips[0].indices,
        clips[0].speaker,
        generator=torch.Generator().manual_seed(3),
        temperature=0.9,
    )
    torch.testing.assert_close(as_model[0] / 2, alone[0])


def test_another_speaker_or_seed_speaks_otherwise(speech):
    model, wave = small_model(), speech[0][16000:16480]
    ours = next(draw(model, [coded(model, wave)], 0, 1.0, 1))[1]
    assert not torch.equal(ours, next(draw(model, [coded(model, wave)], 1, 1.0, 1))[1])
    assert not torch.equal(ours, next(draw(model, [coded(model, wave, "2414")], 0, 1.0, 1))[1])


def test_progress_is_of_all_clips(speech):
    model, seen = small_model(), []
    clips = [coded(model, speech[0][:n]) for n in (320, 160)]
    list(draw(model, clips, 0, 1.0, 1, lambda done, of: seen.append((done, of))))
    assert seen == [(0.01, 0.03), (0.03, 0.03)]


def test_what_is_drawn_is_judged_as_loud_as_recorded(speech, monkeypatch):
    fast = {name: METRICS[name] for name in ("si_sdr", "mel_distance")}
    monkeypatch.setattr("vqaudio.evaluation.waveform_clips.METRICS", fast)
    wave = speech[0][16000:32000]
    clip = encode(small_model(), 3 * wave, 3.0, SPEAKERS, "1455")
    scores = score(clip, wave, 16000)
    assert scores["si_sdr"] > 90
    assert scores["mel_distance"] < 0.01
    with pytest.raises(ModelError, match="8000 Hz"):
        score(clip, wave, 8000)


def test_the_table_has_every_clip_and_their_mean():
    card = {"name": "small", "fingerprint": "ab", "training": {"steps": 7}}
    clips = [
        Judged("a", "her", 1.0, 10, SampleBits(10, 20.0, 30.0, 40.0)),
        Judged("b", None, 3.0, 30, SampleBits(30, 180.0, 210.0, 240.0)),
    ]
    values = report(card, clips, Drawing(4.0, 10.0, 6.0, 2, "cpu", 1))
    assert values["all"]["bits"] == 5
    assert values["clips"][1]["bits"] == 6
    told = table(values)
    assert "| a | her | 1.00 | 2.000 | 3.000 | 4.000 |" in told
    assert "| all 2 |  | 4.00 | 5.000 | 6.000 | 7.000 |" in told
    assert (
        "2.50 s a second (1.50 s of processor time), up to 2 clips at a time, on cpu, 1 thread"
        in told
    )
    judged = report(card, clips, None, {"b": {"pesq_wb": 1.234, "wer": float("nan")}})
    assert "| drawn | PESQ-WB | WER % |\n|---|---:|---:|\n| b | 1.23 | - |" in table(judged)
    many = table(report(card, clips * 20, None))
    assert "drawn" not in many
    assert sum(line.startswith("| ") for line in many.splitlines()) == 22  # head, 20 clips, all
    assert "| all 40 |  | 80.00 |" in many
