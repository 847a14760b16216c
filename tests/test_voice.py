"""A codec with voices: the speaker that is named, at his pitch, however the codes come in."""

import pytest
import torch

from tests.small import small_model
from tests.small_voices import SPEAKERS, VOICES, small_voices
from vqaudio import Codec
from vqaudio.errors import ModelError
from vqaudio.models.voices import BINS, median
from vqaudio.models.vqvae import VQVAE, VQVAEConfig
from vqaudio.voice import Listening, listen

CODEC = small_voices()


@pytest.fixture(scope="module")
def codes(speech):
    return CODEC.encode(speech[0][8000:40011], 16000)


def apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return ((ours - theirs).std() / theirs.std()).item()


def nobody_listens():
    pytest.fail("the pitch was not asked for")


def test_each_speaker_sounds_otherwise(codes):
    anna, ben, cleo = (CODEC.decode(codes, speaker) for speaker in SPEAKERS)
    assert min(apart(anna, ben), apart(ben, cleo), apart(anna, cleo)) > 0.05
    assert torch.equal(CODEC.decode(codes, "anna"), anna)


def test_pitch_goes_to_the_speakers_own_unless_told(codes):
    octaves = CODEC.model.voices.octaves_to(0, listen(CODEC.model, codes.indices)[0])
    own = CODEC.decode(codes, "anna")
    assert torch.allclose(CODEC.decode(codes, "anna", 12 * octaves), own, atol=1e-6)
    assert apart(CODEC.decode(codes, "anna", 12 * octaves + 12), own) > 0.01


def test_what_there_is_to_raise_the_pitch_by():
    voices = small_voices().model.voices
    pitches = torch.zeros(BINS, dtype=torch.int64)
    assert voices.octaves_to(2, pitches) == 0
    pitches[[10, 72, 180]] = torch.tensor([3, 5, 4])
    assert median(pitches) == pytest.approx(7.0, abs=0.02)  # 72 quarters of a semitone above 5.5
    assert voices.octaves_to(2, pitches) == pytest.approx(1.0, abs=0.02)
    voices.pitch[2] = 30
    assert voices.octaves_to(2, pitches) == 2


def test_emphasised_voices_differ_more_and_have_the_same_mean():
    voices = small_voices().model.voices
    before = voices.embedding.weight.clone()
    voices.emphasise(2, 1.5)
    after = voices.embedding.weight
    torch.testing.assert_close(after[:2].mean(0), before[:2].mean(0))
    torch.testing.assert_close(after[0] - after[1], 1.5 * (before[0] - before[1]))
    assert torch.equal(after[2], before[2])


def test_a_long_recording_is_heard_in_pieces(codes):
    model = CODEC.model
    whole = listen(model, codes.indices)
    assert whole.sum() > 0.1 * codes.indices.numel()
    again = Listening(model, 1)
    for part in codes.indices.repeat(1, 40).split(1536, dim=1):  # as the blocks of a file
        again.push(part)
    long = listen(model, codes.indices.repeat(1, 40))
    assert torch.equal(again.flush(), long)
    assert long.sum() == pytest.approx(40 * int(whole.sum()), rel=0.05)
    assert median(long[0]) == pytest.approx(median(whole[0]), abs=0.05)
    assert not listen(small_model(), codes.indices).any()


def test_a_batch_is_as_its_rows_and_a_stream_as_the_whole(codes, speech):
    wave = torch.stack([speech[0][8000:40011], speech[0][50000:82011]])
    both = CODEC.encode(wave, 16000, (32011, 20000))
    decoded = CODEC.decode(both, "ben/one")
    for row in range(2):
        alone = CODEC.decode(both[row], "ben/one")[0]
        torch.testing.assert_close(decoded[row, : len(alone)], alone, rtol=0, atol=1e-4)
    told = CODEC.choose_voice("ben/one", -3, 1, nobody_listens)
    stream = CODEC.decode_stream(16000, codes.levels, codes.lengths, seconds=0.05, voice=told)
    pieces = [stream.push(part) for part in codes.indices.split(7, dim=1)]
    streamed = torch.cat([*pieces, stream.flush()], dim=1)
    torch.testing.assert_close(streamed, CODEC.decode(codes, "ben/one", -3), rtol=0, atol=1e-4)


def test_who_is_not_known_is_told(codes, speech):
    with pytest.raises(ModelError, match="no speaker dora: it knows anna, ben/one, cleo"):
        CODEC.decode(codes, "dora")
    with pytest.raises(ModelError, match="has to be told a speaker: anna"):
        CODEC.decode(codes)
    plain = Codec(small_model())
    with pytest.raises(ModelError, match="knows no speakers"):
        plain.decode(plain.encode(speech[0][:8000], 16000), "anna")
    for names, complaint in (
        ([], "names 0 speakers, for 3 voices"),
        (["a", "b", "c", "d"], "names 4 speakers, for 3 voices"),
        (["a", "a"], "twice"),
        ("abc", "not a list of names"),
        (None, "not a list of names"),
    ):
        with pytest.raises(ModelError, match=complaint):
            Codec(small_voices().model, {"speakers": names})


def test_saved_and_loaded_it_knows_the_same_speakers(codes, tmp_path):
    CODEC.save(tmp_path)
    loaded = Codec.load(tmp_path)
    assert loaded.speakers == SPEAKERS
    coded = loaded.encode(torch.randn(16000) * 0.1, 16000)
    assert loaded.decode(coded, "cleo").shape == (1, 16000)


def test_a_model_without_voices_is_what_it_was():
    config = VQVAE(VQVAEConfig()).config.to_dict()
    assert "voices" not in config
    assert VQVAEConfig.from_dict(config) == VQVAEConfig()
    assert VQVAEConfig.from_dict(VOICES.to_dict()) == VOICES
    assert not any("voices" in name or "modul" in name for name in small_model().state_dict())


def test_untrained_voices_change_nothing():
    model = VQVAE(VOICES)
    plain = small_model()
    model.load_state_dict(plain.state_dict(), strict=False)
    indices = torch.arange(40)[None]
    voice = CODEC.choose_voice("cleo", 5, 1, nobody_listens)
    assert torch.allclose(model.eval().decode(indices, voice), plain.decode(indices), atol=1e-6)
