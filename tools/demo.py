"""Encode and decode one recording with the packaged model; print figures, draw spectrograms."""

import subprocess
import sys
import time
from pathlib import Path

import librosa
import matplotlib
import numpy as np
import soundfile

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def timed(*command: str | Path) -> float:
    """Run one of our command lines; seconds it took, or exit as it did."""
    print("$", *command)
    start = time.perf_counter()
    done = subprocess.run([str(part) for part in command])
    if done.returncode:
        sys.exit(done.returncode)
    return time.perf_counter() - start


def draw(paths: dict[str, Path], picture: Path) -> None:
    """Spectrograms one above the other, 0 to 8 kHz, 80 dB deep."""
    figure, axes = plt.subplots(len(paths), 1, figsize=(11, 6), sharex=True, sharey=True)
    for axis, (title, path) in zip(axes, paths.items(), strict=True):
        wave, _ = librosa.load(path, sr=16000)
        magnitude = np.abs(librosa.stft(wave, n_fft=512, hop_length=128))
        decibels = librosa.amplitude_to_db(magnitude, ref=np.max, top_db=80)
        extent = (0, len(wave) / 16000, 0, 8)
        axis.imshow(decibels, origin="lower", aspect="auto", extent=extent, cmap="magma")
        axis.set(title=title, ylabel="kHz")
    axes[-1].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


def main() -> None:
    recording, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(exist_ok=True)
    codes, decoded = out / (recording.stem + ".vqc"), out / (recording.stem + ".decoded.wav")
    programs = Path(sys.executable).parent
    encode = timed(programs / "vqaudio-encode", "-f", "-q", "-o", codes, recording)
    decode = timed(programs / "vqaudio-decode", "-f", "-q", "-o", decoded, codes)
    sound = soundfile.info(recording)
    size = codes.stat().st_size
    rate = 8 * size / sound.duration
    picture = out / "spectrograms.png"
    draw({"original": recording, f"decoded from {rate / 1000:.2f} kbit/s": decoded}, picture)
    print(f"""
recording    {recording.name}: {sound.duration:.2f} s, {sound.samplerate} Hz, {sound.channels} channel(s)
codes        {codes}: {size} bytes, {rate:.0f} bit/s, everything counted
16-bit PCM   {16000 * 2 * sound.duration / size:.0f} times as large at 16 kHz
encode       {encode:.1f} s, start-up of the program included
decode       {decode:.1f} s
listen to    {decoded}
look at      {picture}""")


if __name__ == "__main__":
    main()
