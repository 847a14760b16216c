"""Priors on disk, and at work on the codes of a codec."""

import json
from dataclasses import replace

import pytest
import torch

import vqaudio
from tests.small import ONE_CODE_A_FRAME, small_model
from tests.small_prior import NETWORKS, small_integer_prior
from vqaudio import Codec, Codes, Prior, load_prior, pretrained
from vqaudio.codes import count_codes
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.prior import DEFAULT_LEVEL, ROWS


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(small_model(), {"name": "small"})


@pytest.fixture(scope="module")
def codes(codec, speech) -> Codes:
    wave, rate = speech
    return codec.encode(wave[: 2 * rate], rate)


@torch.no_grad()
def prior_for(codec: Codec, network=NETWORKS[0], codebook_size: int = 512) -> Prior:
    """A CodeModel with the network, or, by "integer", an IntegerCodeModel."""
    torch.manual_seed(0)
    if network == "integer":
        model = small_integer_prior(codebook_size)
    else:
        model = CodeModel(CodeModelConfig(codebook_size, network=network))
        for parameter in model.parameters():
            parameter.mul_(3)
    return Prior(model, {"name": "small-prior", "codec": codec.fingerprint.hex()})


every_kind = pytest.mark.parametrize(
    "network", [*NETWORKS, "integer"], ids=["wavenet", "transformer", "integer"]
)


@pytest.fixture
def prior(codec) -> Prior:
    return prior_for(codec)


@every_kind
def test_there_and_back(network, codec, codes, tmp_path):
    prior = prior_for(codec, network)
    prior.save(tmp_path)
    read = load_prior(tmp_path, "cpu")
    assert (read.codec, read.card["name"]) == (codec.fingerprint, "small-prior")
    assert read.fingerprint.hex() == read.card["fingerprint"]
    assert not read.model.training
    assert read.device == torch.device("cpu")
    assert read.exact == (network == "integer")
    if read.exact:
        assert read.fingerprint == prior.fingerprint  # nothing is rounded
    assert (read.bits(codes) - prior.bits(codes)).abs().mean() < 0.05
    again = tmp_path / "again"
    read.save(again)
    assert Prior.load(again).fingerprint == read.fingerprint
    assert str(read) == f"Prior(small-prior ({read.fingerprint.hex()}))"


def test_codecs_and_priors_are_told_apart(codec, prior, tmp_path):
    codec.save(tmp_path / "codec")
    prior.save(tmp_path / "prior")
    for load, folder, word in (
        (Codec.load, "prior", "this is a prior, and a codec is wanted"),
        (Prior.load, "codec", "this is a codec, and a prior is wanted"),
    ):
        with pytest.raises(ModelError, match=word) as caught:
            load(tmp_path / folder)
        assert "\n" not in str(caught.value)


def test_packaged_codecs_and_priors(codec, prior, tmp_path, monkeypatch):
    codec.save(tmp_path / "small", {"name": "small"})
    prior.save(tmp_path / "small-prior")
    monkeypatch.setattr(pretrained, "HERE", tmp_path)
    packaged = load_prior("small-prior", "cpu")
    assert (pretrained.names(), pretrained.prior_names()) == (["small"], ["small-prior"])
    assert pretrained.name_of(packaged.fingerprint) == "small-prior"
    assert pretrained.prior_of(packaged.codec) == "small-prior"
    assert pretrained.prior_of(packaged.fingerprint) is None
    for load, name, words in (
        (load_prior, "nobody", "no prior 'nobody': packaged priors are small-prior"),
        (load_prior, "small", "small is a codec: packaged priors are small-prior"),
        (vqaudio.load_codec, "small-prior", "small-prior is a prior: packaged models are small"),
    ):
        with pytest.raises(ModelError, match=words):
            load(name)


def test_what_the_card_says_is_checked(codec, prior, tmp_path):
    def refused(message: str) -> None:
        with pytest.raises(ModelError, match=message) as caught:
            Prior.load(tmp_path)
        assert "\n" not in str(caught.value)

    for name in (None, 3, "x", "00"):
        with pytest.raises(ModelError, match="no codec"):
            Prior(prior.model, {} if name is None else {"codec": name})
    prior.save(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())

    def rewrite(**entries) -> None:
        (tmp_path / "card.json").write_text(json.dumps(card | entries))

    rewrite(config=card["config"] | {"codebook_size": 300})
    refused(r"embedding.weight is \[513, 16\]")
    rewrite(config=card["config"] | {"network": {"kind": "abacus"}})
    refused("abacus")
    rewrite(config=card["config"] | {"condition_width": 4})
    refused("a speaker")
    rewrite(fingerprint="00" * 8)
    refused("another model")
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    rewrite()
    refused("damaged")


def test_a_prior_is_for_one_codec(codec, codes, prior):
    prior.check(codec)
    prior.check(codec.fingerprint, 512)
    prior.check(codec.fingerprint)
    other = Codec(small_model(1), {"name": "other"})
    for wrong in ((other,), (other.fingerprint, 512)):
        with pytest.raises(ModelError, match=other.fingerprint.hex()) as caught:
            prior.check(*wrong)
        assert prior.name in str(caught.value)
    with pytest.raises(ModelError, match=r"512 codes.* has 300"):
        prior.check(codec.fingerprint, 300)
    with pytest.raises(ModelError, match="for 11 codes"):
        prior_for(codec, codebook_size=11).check(codec)
    with pytest.raises(ModelError, match=other.fingerprint.hex()):
        prior.bits(replace(codes, model=other.fingerprint))
    for arguments in ((other, 0.1), (codec, 0.1, 1, replace(codes, model=other.fingerprint))):
        with pytest.raises(ModelError, match=other.fingerprint.hex()):
            prior.sample(*arguments)


def test_floating_point_does_not_compress(prior):
    with pytest.raises(ModelError, match="only integer priors"):
        prior.coder()


def test_integers_do(codec, codes):
    prior = prior_for(codec, "integer")
    coder = prior.coder()
    payload = coder.encode(codes.indices.numpy())
    (block,) = coder.decode([payload], [codes.indices.shape[1]], 1)
    assert torch.equal(torch.as_tensor(block), codes.indices)
    assert 8 * len(payload) == pytest.approx(float(prior.bits(codes).sum()), rel=0.05)


@every_kind
def test_bits_in_pieces_are_those_of_one_pass(network, codec, speech, monkeypatch):
    wave, rate = speech
    waves = torch.stack([wave[:rate], wave[rate : 2 * rate], wave[2 * rate : 3 * rate]])
    codes = codec.encode(waves, rate, [rate, rate // 2, rate])
    prior = prior_for(codec, network)
    monkeypatch.setattr("vqaudio.prior.SCORED_AT_ONCE", 50)
    monkeypatch.setattr("vqaudio.prior.ROWS", 2)
    bits = prior.bits(codes)
    assert bits.dtype == torch.float32
    with torch.no_grad():
        for i, row in enumerate(codes):
            n = row.indices.shape[1]
            whole = prior.model.bits(row.indices)[0]
            torch.testing.assert_close(bits[i, :n], whole, rtol=0 if prior.exact else 1e-4, atol=0)
            assert not bits[i, n:].any()
    assert codes.num_codes(1) < bits.shape[1]


def test_samples_decode(codec, prior):
    codes = prior.sample(codec, 0.1003, 3, seed=5)
    assert codes.indices.shape == (3, count_codes(1605, 16000, 16000, codec.model.frame, 64))
    assert (codes.lengths, codes.levels) == ((1605,) * 3, (DEFAULT_LEVEL,) * 3)
    assert codec.decode(codes).shape == (3, 1605)
    again = prior.sample(codec, 0.1003, 3, seed=5)
    assert again.equal(codes)
    assert not prior.sample(codec, 0.1003, 3, seed=6).equal(codes)


@pytest.mark.parametrize("network", [NETWORKS[0], "integer"], ids=["wavenet", "integer"])
def test_a_sequence_is_the_same_in_any_company(network, codec):
    """In parts, in batches of any size, a row's random numbers are its own."""
    prior = prior_for(codec, network)
    together = prior.sample(codec, 0.05, ROWS + 3, temperature=0.9, top_p=0.95, seed=1)
    tail = prior.sample(codec, 0.05, 5, temperature=0.9, top_p=0.95, seed=1, first=ROWS - 2)
    alone = prior.sample(codec, 0.05, 1, temperature=0.9, top_p=0.95, seed=1, first=ROWS)
    assert torch.equal(tail.indices, together.indices[-5:])
    assert torch.equal(alone.indices, together.indices[ROWS : ROWS + 1])
    assert len({tuple(row.tolist()) for row in together.indices}) == ROWS + 3


@pytest.mark.parametrize("rate", [16000, 44100, 8000, 1000, 384000])
def test_a_prompt_is_gone_on_from(codec, prior, speech, rate):
    prompt = codec.encode(speech[0][:3000], 16000)
    prompt = replace(prompt, sample_rate=rate, lengths=(3000 * rate // 16000,))
    codes = prior.sample(codec, 0.05, 2, prompt, top_k=9)
    before = prompt.indices.shape[1]
    assert torch.equal(codes.indices[:, :before], prompt.indices.expand(2, -1))
    assert (codes.sample_rate, codes.levels) == (rate, prompt.levels * 2)
    fresh = prior.sample(codec, 0.05, 2, top_k=9)
    assert not torch.equal(fresh.indices, codes.indices[:, before:])
    added = codes.duration - before * 64 / 16000
    assert added == pytest.approx(0.05, abs=1.1 / rate)
    assert codec.decode(codes).shape == (2, codes.lengths[0])
    # What was there before is heard as before, but where the model looks ahead.
    heard, was = codec.decode(codes)[0], codec.decode(prompt)[0]
    sure = len(was) // 4
    torch.testing.assert_close(heard[:sure], was[:sure], rtol=0, atol=1e-4)


def test_frames_of_one_code(prior):
    codec = Codec(small_model(config=ONE_CODE_A_FRAME))
    prior = prior_for(codec)
    codes = prior.sample(codec, 0.03)
    assert codec.decode(codes).shape == (1, 480)


def test_progress_reaches_all(codec, prior):
    seen = []
    codes = prior.sample(codec, 0.01, ROWS + 1, progress=lambda done, all: seen.append((done, all)))
    assert seen == sorted(seen)
    assert len(seen) == 2 * codes.indices.shape[1]
    assert seen[-1] == (codes.indices.numel(),) * 2


def test_bad_arguments_are_one_line(codec, codes, prior):
    stereo = replace(
        codes, indices=codes.indices.repeat(2, 1), lengths=codes.lengths * 2, levels=(-20.0,) * 2
    )
    with pytest.raises(VqaudioError, match="a prompt has one channel, and this has 2"):
        prior.sample(codec, 0.1, 1, stereo)
    for arguments in (
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 1e-9},
        {"count": 0},
        {"temperature": 0},
        {"top_p": 2},
        {"seed": -1},
    ):
        with pytest.raises(ValueError, match=r"\S"):
            prior.sample(codec, **{"seconds": 0.1} | arguments)
