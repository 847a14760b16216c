// The clip that is open: its recordings side by side, to look at and to listen to.

class ClipView {
  /** data: the page's report; shown: the set of codecs (by index) to show, changed from outside. */
  constructor(data, shown) {
    Object.assign(this, { data, shown, clip: null, metric: 0, sounds: [] });
    this.player = new Player(() => this.drawTransport());
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries.filter((each) => each.isIntersecting)) {
        this.observer.unobserve(entry.target);
        this.drawPicture(entry.target);
      }
    }, { rootMargin: "200px" });
    byId("play").addEventListener("click", () => this.toggle());
    byId("position").addEventListener("input", (event) => {
      this.attempt(this.player.seek(Number(event.target.value), () => this.gain()));
      this.drawPosition();
    });
    byId("loop").addEventListener("change", (event) => this.player.setRepeat(event.target.checked));
    byId("loudness").addEventListener("change", () => {
      if (this.player.playing) this.play(this.player.current);
    });
  }

  /** Open a clip, the score of `metric` first; what plays goes on with the same codec. */
  show(clip, metric) {
    this.metric = metric;
    if (clip !== this.clip) {
      const { playing, current } = this.player;
      this.clip = clip;
      this.white = null;
      this.sounds = clip.audio.map((number) => {
        let sound = null; // decoded once, when it is first needed
        return number === null ? null : () => (sound ??= decodeSound(number));
      });
      this.player.load(this.sounds, this.sounds[current] ? current : 0);
      if (playing) this.play(this.player.current);
    }
    this.draw();
  }

  /** Recordings in the order of their cards: 0 is the original, n the codec n - 1. */
  get places() {
    return [0, ...[...this.shown].sort((a, b) => a - b).map((codec) => codec + 1)];
  }

  draw() {
    const focused = byId("cards").contains(document.activeElement)
      ? document.activeElement.dataset.place : null;
    byId("clip").hidden = false;
    byId("clip-name").textContent = this.clip.path;
    byId("position").max = this.clip.seconds ?? 0;
    this.observer.disconnect();
    byId("cards").replaceChildren(...this.places.map((place, digit) => this.card(place, digit)));
    for (const canvas of byId("cards").querySelectorAll("canvas")) this.observer.observe(canvas);
    if (focused !== null) byId("cards").querySelector(`button[data-place="${focused}"]`)?.focus();
    this.drawTransport();
  }

  card(place, digit) {
    const name = place ? this.data.codecs[place - 1] : "original";
    const coded = place ? this.clip.codecs[place - 1] : null;
    const button = element("button", {
      type: "button", class: "listen", "data-place": place, disabled: !this.sounds[place],
      onclick: () => (this.isPlaying(place) ? this.player.pause() : this.play(place)),
    }, element("span", { class: "glyph", "aria-hidden": "true" }), name);
    const head = element("div", { class: "card-head" }, button);
    if (coded?.bytes !== undefined) {
      const rate = whole((8 * coded.bytes) / this.clip.seconds);
      head.append(element("span", { class: "card-rate" }, `${rate} bit/s`));
    }
    if (digit <= 9) head.append(element("kbd", {}, String(digit)));
    const card = element("section", { class: "card", "aria-label": name }, head);
    if (place) tint(card, place - 1);
    card.append(this.sounds[place] ? this.picture(place, name)
      : element("p", { class: "absent" }, this.whyAbsent(place, coded)));
    if (coded?.scores) card.append(this.scores(coded.scores));
    return card;
  }

  whyAbsent(place, coded) {
    if (coded?.error) return `Failed: ${coded.error}`;
    return place && !coded ? "Not coded" : "No recording of this clip in the page";
  }

  picture(place, name) {
    const canvas = element("canvas", {
      "data-place": place, role: "img", "aria-label": `Spectrogram of ${name}`,
      onclick: (event) => this.play(place, this.clip.seconds * (event.offsetX / canvas.clientWidth)),
    });
    return element("div", { class: "picture", title: "Click to play from here" }, canvas,
      element("span", { class: "frequency" }, "8 kHz"), element("span", { class: "playhead" }));
  }

  scores(values) {
    return element("dl", { class: "scores" }, ...this.data.metrics.map(({ label, digits }, index) =>
      element("div", { class: index === this.metric ? "chosen" : "" },
        element("dt", {}, label), element("dd", {}, fixed(values[index], digits)))));
  }

  async drawPicture(canvas) {
    const { clip, sounds } = this;
    [canvas.width, canvas.height] = [2 * canvas.clientWidth, 2 * canvas.clientHeight];
    try {
      const sound = sounds[Number(canvas.dataset.place)];
      // White is the loudest point of the original, so that a codec that is too quiet looks it.
      this.white ??= (sounds[0] ?? sound)().then(spectrumPeak);
      const white = await this.white;
      const buffer = await sound();
      await new Promise((resolve) => setTimeout(resolve)); // the page stays awake between pictures
      if (clip !== this.clip) return;
      drawSpectrogram(canvas, buffer, white, clip.seconds);
      canvas.dataset.drawn = "";
    } catch (error) {
      if (clip === this.clip) this.complain(error);
    }
  }

  isPlaying(place) {
    return this.player.playing && this.player.current === place;
  }

  /** Play a recording, from where the clip is or from `at`. */
  play(place, at = null) {
    if (this.sounds[place]) this.attempt(this.player.play(place, at, () => this.gain()));
  }

  toggle() {
    if (this.player.playing) this.player.pause();
    else this.play(this.player.current);
  }

  /** Change to a recording; goes on playing if it plays. */
  choose(place) {
    if (!this.sounds[place]) return;
    if (this.player.playing) this.play(place);
    else this.player.choose(place);
  }

  /** What makes the current recording as loud as the original, if that is asked for. */
  async gain() {
    if (!byId("loudness").checked || !this.sounds[0]) return 1;
    const [original, current] = await Promise.all([this.sounds[0](), this.sounds[this.player.current]()]);
    const gain = loudness(original) / loudness(current);
    return Number.isFinite(gain) ? Math.min(gain, 8) : 1;
  }

  async attempt(work) {
    try {
      byId("player-error").hidden = true;
      await work;
    } catch (error) {
      this.complain(error);
    }
  }

  complain(error) {
    byId("player-error").textContent = `This browser cannot play the recording (Ogg Opus): ${error.message}`;
    byId("player-error").hidden = false;
  }

  drawTransport() {
    if (!this.clip) return;
    const { playing, current } = this.player;
    byId("transport").dataset.state = playing ? "playing" : "paused";
    byId("play").textContent = playing ? "Pause" : "Play";
    byId("play").disabled = !this.sounds[current];
    byId("playing").textContent = current ? this.data.codecs[current - 1] : "original";
    for (const button of byId("cards").querySelectorAll(".listen")) {
      const own = Number(button.dataset.place);
      button.setAttribute("aria-pressed", this.isPlaying(own));
      button.closest(".card").classList.toggle("current", own === current);
    }
    this.drawPosition();
    if (playing && !this.ticking) this.tick();
  }

  tick() {
    this.ticking = this.player.playing;
    this.drawPosition();
    if (this.ticking) requestAnimationFrame(() => this.tick());
  }

  drawPosition() {
    const position = this.player.position();
    const total = this.clip.seconds ?? 0;
    const slider = byId("position");
    slider.value = position;
    byId("time").textContent = `${position.toFixed(1)} / ${total.toFixed(1)} s`;
    slider.setAttribute("aria-valuetext", `${position.toFixed(1)} of ${total.toFixed(1)} seconds`);
    byId("cards").style.setProperty("--position", total ? position / total : 0);
  }
}
