"""EnCodec at 24 kHz (Defossez et al. 2022), by its own package, without its entropy coder."""

import io
import time
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr
import torch

from vqaudio.errors import VqaudioError
from vqaudio.evaluation.peers.coder import SAMPLE_RATE, WHOLE_FILE, Coded

if TYPE_CHECKING:
    from encodec import EncodecModel

WEIGHTS = "encodec_24khz-d7cc33bc.th"
_RATE = 24000


@dataclass(frozen=True)
class EncodecPeer:
    """EnCodec through its own file format, .ecdc. nominal: 1500, 3000, 6000, 12000 or 24000 bit/s.

    Nothing is downloaded: without its weights where torch.hub keeps them, it is missing.
    """

    name: str
    nominal: float
    counted: str = WHOLE_FILE

    def missing(self) -> str | None:
        if find_spec("encodec") is None:
            return "encodec is not installed"
        if not (_folder() / WEIGHTS).exists():
            return f"{WEIGHTS} is not in PyTorch's folder hub/checkpoints"
        return None

    def version(self) -> str | None:
        return None

    def code(self, wave: np.ndarray) -> Coded:
        from encodec.compress import compress

        try:
            model = _model(str(_folder()))
        except (OSError, RuntimeError) as error:  # its checksum is checked
            raise VqaudioError(f"{WEIGHTS} is damaged") from error
        model.set_target_bandwidth(self.nominal / 1000)
        original = torch.from_numpy(soxr.resample(wave, SAMPLE_RATE, _RATE))
        start = time.perf_counter()
        data = compress(model, original[None], use_lm=False)
        middle = time.perf_counter()
        decoded = _decompress(model, data)
        end = time.perf_counter()
        decoded = soxr.resample(decoded, _RATE, SAMPLE_RATE)
        return Coded(decoded, len(data), middle - start, end - middle)


@torch.inference_mode()
def _decompress(model: "EncodecModel", data: bytes) -> np.ndarray:
    """As encodec.compress.decompress, which would load the model anew for each file."""
    from encodec.binary import BitUnpacker, read_ecdc_header

    stream = io.BytesIO(data)
    header = read_ecdc_header(stream)
    books, length = header["nc"], header["al"]
    frames = -(-length * model.frame_rate // model.sample_rate)
    unpacker = BitUnpacker(model.bits_per_codebook, stream)
    codes = [unpacker.pull() for _ in range(frames * books)]
    codes = torch.tensor(codes).reshape(1, frames, books).transpose(1, 2)
    return model.decode([(codes, None)])[0, 0, :length].numpy()


@lru_cache(1)
def _model(folder: str) -> "EncodecModel":
    from encodec import EncodecModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how it normalises its weights
        return EncodecModel.encodec_model_24khz(repository=Path(folder)).eval()


def _folder() -> Path:
    return Path(torch.hub.get_dir(), "checkpoints")
