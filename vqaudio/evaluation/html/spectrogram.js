// Spectrograms, drawn from the decoded sound on a canvas.

const SPECTRUM_SIZE = 2048;
const SPECTRUM_WINDOW = 1536; // 32 ms at 48 kHz
const SPECTRUM_TOP = 8000; // Hz
const SPECTRUM_RANGE = 75; // dB from black to white
/** Black through purple and orange to pale yellow, equally spaced, and even in lightness. */
const HEAT = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100],
  [251, 135, 97], [254, 194, 135], [252, 253, 191]];

/** Loudest point of a sound's spectrogram, dB: the white of all the pictures of one clip. */
function spectrumPeak(buffer) {
  const levels = spectrogram(buffer, 200).levels;
  return levels.reduce((peak, level) => Math.max(peak, level), -Infinity);
}

/** Fill a canvas of any size. white: level of the brightest colour, dB; seconds: its whole width. */
function drawSpectrogram(canvas, buffer, white, seconds) {
  const columns = canvas.width;
  const { levels, bins } = spectrogram(buffer, columns, seconds);
  const image = new ImageData(columns, bins);
  const pixels = new DataView(image.data.buffer);
  for (let column = 0; column < columns; column++) {
    for (let bin = 0; bin < bins; bin++) {
      const level = (levels[column * bins + bin] - white) / SPECTRUM_RANGE + 1;
      const shade = Math.round(255 * Math.min(Math.max(level, 0), 1));
      pixels.setUint32(4 * ((bins - 1 - bin) * columns + column), SHADES[shade]);
    }
  }
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [columns, bins];
  sheet.getContext("2d").putImageData(image, 0, 0);
  canvas.getContext("2d").drawImage(sheet, 0, 0, canvas.width, canvas.height);
}

/** Levels in dB, column after column of `bins` frequencies from 0 to SPECTRUM_TOP. */
function spectrogram(buffer, columns, seconds = buffer.duration) {
  const wave = buffer.getChannelData(0);
  const bins = Math.round((SPECTRUM_TOP / buffer.sampleRate) * SPECTRUM_SIZE);
  const levels = new Float32Array(columns * bins).fill(-200);
  const real = new Float32Array(SPECTRUM_SIZE);
  const imaginary = new Float32Array(SPECTRUM_SIZE);
  for (let column = 0; column < columns; column++) {
    const centre = ((column + 0.5) / columns) * seconds * buffer.sampleRate;
    const start = Math.round(centre - SPECTRUM_WINDOW / 2);
    if (centre > wave.length) break;
    real.fill(0);
    imaginary.fill(0);
    for (let n = 0; n < SPECTRUM_WINDOW; n++) real[n] = HANN[n] * (wave[start + n] || 0);
    fourier(real, imaginary);
    for (let bin = 0; bin < bins; bin++) {
      const power = real[bin] ** 2 + imaginary[bin] ** 2;
      levels[column * bins + bin] = 10 * Math.log10(power + 1e-20);
    }
  }
  return { levels, bins };
}

const HANN = Float32Array.from({ length: SPECTRUM_WINDOW },
  (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / SPECTRUM_WINDOW));
const COSINES = Float32Array.from({ length: SPECTRUM_SIZE / 2 },
  (_, n) => Math.cos((2 * Math.PI * n) / SPECTRUM_SIZE));
const SINES = Float32Array.from({ length: SPECTRUM_SIZE / 2 },
  (_, n) => -Math.sin((2 * Math.PI * n) / SPECTRUM_SIZE));

/** The discrete Fourier transform, in place (radix 2). */
function fourier(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      swap(real, i, j);
      swap(imaginary, i, j);
    }
  }
  for (let half = 1; half < size; half *= 2) {
    const stride = size / (2 * half);
    for (let start = 0; start < size; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const cosine = COSINES[k * stride];
        const sine = SINES[k * stride];
        const low = start + k;
        const high = low + half;
        const re = real[high] * cosine - imaginary[high] * sine;
        const im = real[high] * sine + imaginary[high] * cosine;
        real[high] = real[low] - re;
        imaginary[high] = imaginary[low] - im;
        real[low] += re;
        imaginary[low] += im;
      }
    }
  }
}

function swap(values, i, j) {
  const value = values[i];
  values[i] = values[j];
  values[j] = value;
}

/** 256 colours between those of HEAT, as bytes red, green, blue, opacity. */
const SHADES = Uint32Array.from({ length: 256 }, (_, shade) => {
  const place = (shade / 255) * (HEAT.length - 1);
  const index = Math.min(Math.floor(place), HEAT.length - 2);
  const [red, green, blue] = HEAT[index].map((from, channel) =>
    Math.round(from + (place - index) * (HEAT[index + 1][channel] - from)));
  return red * 2 ** 24 + green * 2 ** 16 + blue * 2 ** 8 + 255;
});
