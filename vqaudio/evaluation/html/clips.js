// The list of clips, sorted by a score, and the clip that is open: its recordings side by side.

class Clips {
  /** data: the page's report; shown: the set of codecs (by index) to show, changed from outside. */
  constructor(data, shown) {
    Object.assign(this, { data, shown, group: 0, open: null, sounds: [] });
    this.player = new Player(() => this.drawTransport());
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries.filter((each) => each.isIntersecting)) {
        this.observer.unobserve(entry.target);
        this.drawPicture(entry.target);
      }
    }, { rootMargin: "200px" });
    this.fillControls();
    this.listen();
  }

  fillControls() {
    const options = (names) => names.map((name, index) => element("option", { value: index }, name));
    byId("sort-codec").append(...options(this.data.codecs));
    byId("sort-metric").append(...options(this.data.metrics.map((metric) => metric.label)));
    byId("sort-against").append(element("option", { value: "" }, "no other"), ...options(this.data.codecs));
  }

  listen() {
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
    byId("controls").addEventListener("change", () => this.showFirst());
    byId("play").addEventListener("click", () => this.toggle());
    byId("position").addEventListener("input", (event) => {
      this.attempt(this.player.seek(Number(event.target.value), () => this.gain()));
      this.drawPosition();
    });
    byId("loop").addEventListener("change", (event) => this.player.setRepeat(event.target.checked));
    byId("loudness").addEventListener("change", () => {
      if (this.player.playing) this.play(this.player.current);
    });
    document.addEventListener("keydown", (event) => this.onKey(event));
  }

  // ---- the list

  get sort() {
    const against = byId("sort-against").value;
    return {
      order: byId("order").value,
      codec: Number(byId("sort-codec").value),
      metric: Number(byId("sort-metric").value),
      against: against === "" ? null : Number(against),
    };
  }

  /** What a clip is sorted by: a codec's score, or by how much it is above another's; or null. */
  value(clip) {
    const { codec, metric, against } = this.sort;
    const score = clipScore(clip, codec, metric);
    if (against === null || score === null) return score;
    const other = clipScore(clip, against, metric);
    return other === null ? null : score - other;
  }

  sorted() {
    const { order, metric } = this.sort;
    const group = this.group && this.data.groups[this.group].name;
    const clips = this.data.clips.filter((clip) => !group || clip.group === group);
    if (order === "name") return clips.sort((a, b) => (a.path < b.path ? -1 : 1));
    const sign = this.data.metrics[metric].higher_is_better === (order === "worst") ? 1 : -1;
    return clips.sort((a, b) => {
      const [left, right] = [this.value(a), this.value(b)];
      if (left === null || right === null) return (left === null) - (right === null);
      return sign * (left - right);
    });
  }

  drawList() {
    const { codec, metric, against } = this.sort;
    const { digits } = this.data.metrics[metric];
    const range = this.scoreRange(metric);
    const rows = this.sorted().map((clip) => {
      const value = this.value(clip);
      const sign = against !== null && value > 0 ? "+" : "";
      const row = element("button", { type: "button", class: "clip-row", onclick: () => this.show(clip, true) },
        element("span", { class: "clip-path" }, clip.path),
        element("span", { class: "clip-value" }, sign + fixed(value, digits)),
        this.strip(clip, codec, metric, range),
        element("span", { class: "clip-seconds" }, duration(clip.seconds)));
      row.setAttribute("aria-current", clip === this.open);
      return element("li", {}, tint(row, codec));
    });
    byId("clip-list").replaceChildren(...rows);
  }

  scoreRange(metric) {
    const scores = this.data.clips.flatMap((clip) => [...this.shown].map((c) => clipScore(clip, c, metric)))
      .filter((score) => score !== null);
    return { low: Math.min(...scores), high: Math.max(...scores) };
  }

  /** Where the codecs' scores of a clip lie, better to the right. */
  strip(clip, chosen, metric, { low, high }) {
    const width = 180;
    const picture = svg("svg", { class: "strip", width, height: 14, "aria-hidden": "true" },
      svg("path", { class: "grid", d: `M5 7H${width - 5}` }));
    const better = this.data.metrics[metric].higher_is_better;
    const dots = [...this.shown].sort((a, b) => (a === chosen) - (b === chosen)); // the chosen on top
    for (const codec of dots) {
      const score = clipScore(clip, codec, metric);
      if (score === null) continue;
      const share = high > low ? (score - low) / (high - low) : 0.5;
      picture.append(tint(svg("circle", {
        class: codec === chosen ? "dot chosen" : "dot",
        cx: 5 + (better ? share : 1 - share) * (width - 10), cy: 7, r: codec === chosen ? 4.5 : 3,
      }), codec));
    }
    return picture;
  }

  /** The list anew, and its first clip opened. */
  showFirst() {
    const [first] = this.sorted();
    if (first) this.show(first);
    byId("clip-list").parentElement.scrollTop = 0;
  }

  // ---- the open clip

  show(clip, chosen = false) {
    if (clip !== this.open) {
      const goesOn = this.player.playing && this.player.current;
      const current = this.player.current;
      this.open = clip;
      this.sounds = clip.audio.map((number) => {
        let sound = null; // decoded once, when it is first needed
        return number === null ? null : () => (sound ??= decodeSound(number));
      });
      this.white = null;
      this.player.load(this.sounds);
      this.player.current = this.sounds[current] ? current : 0;
      if (goesOn !== false && this.sounds[this.player.current]) this.play(this.player.current);
    }
    this.drawList();
    this.drawClip();
    if (chosen && matchMedia("(max-width: 820px)").matches) byId("clip").scrollIntoView();
  }

  step(by) {
    const clips = this.sorted();
    const next = clips[clips.indexOf(this.open) + by];
    if (!next) return;
    this.show(next);
    byId("clip-list").querySelector("[aria-current=true]").scrollIntoView({ block: "nearest" });
  }

  /** Recordings in the order of their cards: 0 is the original, n the codec n - 1. */
  get places() {
    return [0, ...[...this.shown].sort((a, b) => a - b).map((codec) => codec + 1)];
  }

  drawClip() {
    byId("clip").hidden = false;
    byId("clip-name").textContent = this.open.path;
    byId("position").max = this.open.seconds ?? 0;
    this.observer.disconnect();
    byId("cards").replaceChildren(...this.places.map((place, digit) => this.card(place, digit)));
    for (const canvas of byId("cards").querySelectorAll("canvas")) this.observer.observe(canvas);
    this.drawTransport();
  }

  card(place, digit) {
    const name = place ? this.data.codecs[place - 1] : "original";
    const coded = place ? this.open.codecs[place - 1] : null;
    const button = element("button", {
      type: "button", class: "listen", "data-place": place, disabled: !this.sounds[place],
      onclick: () => (this.isPlaying(place) ? this.player.pause() : this.play(place)),
    }, element("span", { class: "glyph", "aria-hidden": true }), name);
    const head = element("div", { class: "card-head" }, button);
    if (coded?.bytes !== undefined) {
      const rate = whole((8 * coded.bytes) / this.open.seconds);
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
      onclick: (event) => this.play(place, this.open.seconds * (event.offsetX / canvas.clientWidth)),
    });
    return element("div", { class: "picture", title: "Click to play from here" }, canvas,
      element("span", { class: "frequency" }, "8 kHz"), element("span", { class: "playhead" }));
  }

  scores(values) {
    const { metric } = this.sort;
    return element("dl", { class: "scores" }, ...this.data.metrics.map(({ label, digits }, index) =>
      element("div", { class: index === metric ? "chosen" : "" },
        element("dt", {}, label), element("dd", {}, fixed(values[index], digits)))));
  }

  async drawPicture(canvas) {
    const clip = this.open;
    [canvas.width, canvas.height] = [2 * canvas.clientWidth, 2 * canvas.clientHeight];
    try {
      // White is the loudest point of the original, so that a codec that is too quiet looks it.
      const reference = this.sounds[0] ?? this.sounds[Number(canvas.dataset.place)];
      this.white ??= reference().then(spectrumPeak);
      const white = await this.white;
      const buffer = await this.sounds[Number(canvas.dataset.place)]();
      await new Promise((resolve) => setTimeout(resolve)); // the page stays awake between pictures
      if (clip !== this.open) return;
      drawSpectrogram(canvas, buffer, white, clip.seconds);
      canvas.dataset.drawn = "";
    } catch (error) {
      if (clip === this.open) this.complain(error);
    }
  }

  // ---- playing

  isPlaying(place) {
    return this.player.playing && this.player.current === place;
  }

  play(place, at = null) {
    if (this.sounds[place]) this.attempt(this.player.play(place, at, () => this.gain()));
  }

  toggle() {
    if (this.player.playing) this.player.pause();
    else this.play(this.player.current);
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
    if (!this.open) return;
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
    const total = this.open.seconds ?? 0;
    const slider = byId("position");
    slider.value = position;
    byId("time").textContent = `${position.toFixed(1)} / ${total.toFixed(1)} s`;
    slider.setAttribute("aria-valuetext", `${position.toFixed(1)} of ${total.toFixed(1)} seconds`);
    byId("cards").style.setProperty("--position", total ? position / total : 0);
  }

  onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !this.open) return;
    if (event.target.closest("select, textarea, input:not([type=range], [type=checkbox])")) return;
    const place = this.places[/^\d$/.test(event.key) ? Number(event.key) : NaN];
    if (event.key === " ") {
      if (event.target.closest("button, input:not([type=range])")) return; // theirs
      this.toggle();
    } else if (event.key === "n") this.step(1);
    else if (event.key === "p") this.step(-1);
    else if (place === undefined) return;
    else if (this.sounds[place]) this.attempt(this.player.choose(place, () => this.gain()));
    event.preventDefault();
  }
}

function clipScore(clip, codec, metric) {
  return clip.codecs[codec]?.scores?.[metric] ?? null;
}
