// Plays one of several recordings of the same clip, and changes between them without a gap: the
// position stays, so that the same syllable is heard through another codec.

const SOUND_RATE = 48000; // what Opus decodes to: nothing is resampled on the way to the output
const FADE = 0.012; // seconds of cross-fade, enough that a change does not click

/** The sound of element sound-<number> of the page, decoded. */
async function decodeSound(number) {
  await pageLoaded;
  const text = atob(byId(`sound-${number}`).textContent);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return new OfflineAudioContext(1, 1, SOUND_RATE).decodeAudioData(bytes.buffer);
}

const pageLoaded = new Promise((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
  else resolve();
});

class Player {
  constructor(onChange) {
    this.onChange = onChange;
    this.context = null; // browsers want it made in answer to a click
    this.output = null;
    this.source = null;
    this.repeat = false;
    this.load([], 0);
  }

  get playing() {
    return this.source !== null;
  }

  /**
   * Take a clip's recordings, functions that return promises of buffers, null where there is none;
   * current: the one to start with.
   */
  load(recordings, current) {
    this.stop();
    Object.assign(this, { recordings, current });
    this.buffer = null;
    this.rest = 0; // position while nothing plays, seconds
    this.request = (this.request || 0) + 1;
  }

  position() {
    if (!this.source) return this.rest;
    const elapsed = this.startedAt + Math.max(0, this.context.currentTime - this.startTime);
    return this.repeat ? elapsed % this.buffer.duration : Math.min(elapsed, this.buffer.duration);
  }

  /** Play recording `which` from where the clip is, or from `at`, with a gain. */
  async play(which = this.current, at = null, gain = () => 1) {
    this.prepare();
    const request = ++this.request;
    this.current = which;
    this.onChange();
    const buffer = await this.recordings[which]();
    await this.context.resume();
    if (request !== this.request) return; // something else was asked for meanwhile
    const position = at ?? this.position();
    this.silence();
    this.buffer = buffer;
    this.start(position < buffer.duration - 0.02 ? position : 0, await gain());
    this.onChange();
  }

  /** The recording that `play` will play. */
  choose(which) {
    this.current = which;
    this.onChange();
  }

  pause() {
    this.request++;
    this.stop();
    this.onChange();
  }

  seek(position, gain) {
    this.rest = position;
    return this.playing ? this.play(this.current, position, gain) : null;
  }

  prepare() {
    if (this.context) return;
    this.context = new AudioContext({ sampleRate: SOUND_RATE, latencyHint: "interactive" });
    this.output = this.context.createGain();
    this.output.connect(this.context.destination);
  }

  start(position, gain) {
    const source = this.context.createBufferSource();
    const fader = this.context.createGain();
    source.buffer = this.buffer;
    source.loop = this.repeat;
    source.connect(fader).connect(this.output);
    const now = this.context.currentTime;
    fader.gain.setValueAtTime(0, now);
    fader.gain.linearRampToValueAtTime(gain, now + FADE);
    source.start(now, position);
    [this.startTime, this.startedAt] = [now, position];
    [this.source, this.fader] = [source, fader];
    source.onended = () => {
      if (this.source !== source) return;
      this.source = null;
      this.rest = 0;
      this.onChange();
    };
  }

  setRepeat(repeat) {
    if (this.source) {
      const position = this.position();
      this.source.loop = repeat;
      [this.startTime, this.startedAt] = [this.context.currentTime, position];
    }
    this.repeat = repeat;
  }

  stop() {
    if (!this.source) return;
    this.rest = this.position();
    this.silence();
  }

  /** Fade out what plays. */
  silence() {
    if (!this.source) return;
    const now = this.context.currentTime;
    this.fader.gain.cancelScheduledValues(now);
    this.fader.gain.setValueAtTime(this.fader.gain.value, now);
    this.fader.gain.linearRampToValueAtTime(0, now + FADE);
    this.source.stop(now + FADE);
    this.source = null;
  }
}

/** Root of the mean square of a sound. */
function loudness(buffer) {
  const wave = buffer.getChannelData(0);
  let power = 0;
  for (let n = 0; n < wave.length; n++) power += wave[n] * wave[n];
  return Math.sqrt(power / wave.length);
}
