// The list of clips, sorted by what a codec scores on them.

class ClipList {
  /**
   * data: the page's report; shown: the set of codecs (by index) to show, changed from outside;
   * open(clip, chosen) is called with a clip to open, chosen where a person clicked on it.
   */
  constructor(data, shown, open) {
    Object.assign(this, { data, shown, open, group: 0, rows: new Map() });
    const options = (names) => names.map((name, index) => element("option", { value: index }, name));
    byId("sort-codec").append(...options(data.codecs));
    byId("sort-metric").append(...options(data.metrics.map((metric) => metric.label)));
    byId("sort-against").append(element("option", { value: "" }, "no other"), ...options(data.codecs));
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
    byId("controls").addEventListener("change", () => this.openFirst());
  }

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
    const group = this.group ? this.data.groups[this.group].name : null;
    const clips = this.data.clips.filter((clip) => group === null || clip.group === group);
    if (order === "name") return clips.sort((a, b) => (a.path < b.path ? -1 : 1));
    const sign = this.data.metrics[metric].higher_is_better === (order === "worst") ? 1 : -1;
    return clips.sort((a, b) => {
      const [left, right] = [this.value(a), this.value(b)];
      if (left === null || right === null) return (left === null) - (right === null);
      return sign * (left - right);
    });
  }

  /** Sort anew and open the first clip. */
  openFirst() {
    const clips = this.draw();
    byId("clip-list").parentElement.scrollTop = 0;
    if (clips.length) this.open(clips[0], false);
  }

  draw() {
    const clips = this.sorted();
    const range = this.range();
    this.rows = new Map(clips.map((clip) => [clip, this.row(clip, range)]));
    byId("clip-list").replaceChildren(...[...this.rows.values()].map((row) => element("li", {}, row)));
    return clips;
  }

  /** Mark the clip that is open. */
  mark(open) {
    for (const [clip, row] of this.rows) row.setAttribute("aria-current", clip === open);
    const row = this.rows.get(open)?.getBoundingClientRect();
    if (!row) return;
    const list = byId("clip-list").parentElement; // which scrolls, while the page stays
    const view = list.getBoundingClientRect();
    list.scrollTop += Math.min(row.top - view.top, 0) + Math.max(row.bottom - view.bottom, 0);
  }

  /** The clip that is `by` places below one, if there is one. */
  below(clip, by) {
    const clips = [...this.rows.keys()];
    return clips[clips.indexOf(clip) + by];
  }

  row(clip, range) {
    const { codec, metric, against } = this.sort;
    const value = this.value(clip);
    const sign = against !== null && value > 0 ? "+" : "";
    const row = element("button", {
      type: "button", class: "clip-row", onclick: () => this.open(clip, true),
    },
    element("span", { class: "clip-path" }, clip.path),
    element("span", { class: "clip-value" }, sign + fixed(value, this.data.metrics[metric].digits)),
    this.strip(clip, codec, metric, range),
    element("span", { class: "clip-seconds" }, duration(clip.seconds)));
    return tint(row, codec);
  }

  range() {
    const { metric } = this.sort;
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
}

function clipScore(clip, codec, metric) {
  return clip.codecs[codec]?.scores?.[metric] ?? null;
}
