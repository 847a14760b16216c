// Fills the page in from its report, and joins its parts.

const data = JSON.parse(byId("scorecard").textContent);
const shown = new Set(data.codecs.keys());
const view = { group: 0, metric: 0, sort: { column: 1, descending: false } };
const clipView = new ClipView(data, shown);
const clipList = new ClipList(data, shown, openClip);

function openClip(clip, chosen) {
  clipView.show(clip, clipList.sort.metric);
  clipList.mark(clip);
  if (chosen && matchMedia("(max-width: 820px)").matches) byId("clip").scrollIntoView();
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || !clipView.clip) return;
  if (event.target.closest("select")) return; // there, letters and digits find an option
  if (event.key === " ") {
    if (event.target.closest("button, input[type=checkbox]")) return; // theirs
    clipView.toggle();
  } else if (event.key === "n" || event.key === "p") {
    const next = clipList.below(clipView.clip, event.key === "n" ? 1 : -1);
    if (next) openClip(next, false);
  } else if (/^\d$/.test(event.key)) {
    const place = clipView.places[Number(event.key)];
    if (place !== undefined) clipView.choose(place);
  } else return;
  event.preventDefault();
}

function figuresOf(codec) {
  return data.groups[view.group].codecs[codec];
}

function drawFigures() {
  const metric = data.metrics[view.metric];
  const marks = [...shown].sort((a, b) => a - b).flatMap((codec) => {
    const figures = figuresOf(codec);
    const score = figures?.scores[view.metric];
    if (!score?.clips) return [];
    const name = data.codecs[codec];
    const number = (value) => fixed(value, metric.digits);
    const interval = score.low === null ? "" : ` (${number(score.low)} to ${number(score.high)})`;
    const text = `${name}: ${whole(figures.bitrate)} bit/s, ${metric.label} ${number(score.mean)}`
      + `${interval}, ${plural(score.clips, "clip")}`;
    return [{ codec, name, rate: figures.bitrate, ...score, text }];
  });
  const caption = "Mean over the clips; whiskers: 95 % interval of the mean. Dashed: the best at "
    + "a rate or below it.";
  const describe = (text) => { byId("plot-caption").textContent = text || caption; };
  describe("");
  drawPlot(byId("plot"), marks, metric, describe);
  const rows = data.codecs.map((name, codec) =>
    ({ codec, name, figures: figuresOf(codec), first: data.first }));
  drawTable(byId("table"), rows, data.metrics, view.sort);
}

function drawLead() {
  const seconds = sum(data.clips.map((clip) => clip.seconds ?? 0));
  byId("lead").textContent = `${plural(data.codecs.length, "codec")} on ${plural(data.clips.length, "clip")} `
    + `of speech, ${duration(seconds)}`;
}

function drawLegend() {
  byId("verdicts").hidden = data.codecs.length < 2;
  byId("verdicts").textContent = `Marks say how a codec compares with ${data.first}, clip by clip: ▲ better and `
    + "▼ worse, at 95 %, ≈ undecided, as where clips are few. Point at one to read the difference.";
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function makeGroupChoice() {
  const names = data.groups.map((group) => (group.name === "." ? "no folder" : group.name));
  const choose = (group) => {
    view.group = clipList.group = group;
    drawFigures();
    clipList.openFirst();
  };
  byId("groups").hidden = names.length < 2;
  if (names.length <= 8) {
    choices(byId("groups"), names, choose)(0);
    return;
  }
  const select = element("select", { onchange: () => choose(Number(select.value)) },
    ...names.map((name, index) => element("option", { value: index }, name)));
  byId("groups").replaceChildren(select);
  choose(0);
}

function makeCodecChoice() {
  byId("codecs").replaceChildren(...data.codecs.map((name, codec) => {
    const button = element("button", { type: "button", class: "chip", "aria-pressed": "true" },
      element("span", { class: "swatch" }), name);
    button.addEventListener("click", () => {
      if (!shown.delete(codec)) shown.add(codec);
      button.setAttribute("aria-pressed", shown.has(codec));
      drawFigures();
      clipList.draw();
      openClip(clipView.clip, false);
    });
    return tint(button, codec);
  }));
}

function makeThemeChoice() {
  const schemes = [["automatic", "light dark"], ["light", "light"], ["dark", "dark"]];
  let current = 0;
  byId("theme").addEventListener("click", () => {
    current = (current + 1) % schemes.length;
    byId("theme").textContent = `Theme: ${schemes[current][0]}`;
    document.documentElement.style.colorScheme = schemes[current][1];
  });
}

function drawNotes() {
  const notes = data.missing.map(([name, reason]) => `${name}: left out, ${reason}`);
  notes.push(...data.metrics_missing.map(([name, reason]) => `${name}: not measured, ${reason}`));
  data.codecs.forEach((name, codec) => data.metrics.forEach((metric, index) => {
    const figures = data.groups[0].codecs[codec];
    const undefinedFor = figures ? figures.clips_scored - (figures.scores[index]?.clips ?? 0) : 0;
    const spoilt = figures?.scores[index]?.spoilt;
    if (undefinedFor) notes.push(`${name}: ${metric.label} is not defined for ${plural(undefinedFor, "clip")}`);
    if (spoilt) {
      notes.push(`${name} left nothing to judge of ${plural(spoilt, "clip")}: counted as `
        + `${fixed(metric.worst, metric.digits)} ${metric.label}`);
    }
  }));
  for (const [name, counted] of data.counted) {
    if (counted && counted !== "the whole file") notes.push(`${name}: counted are ${counted}`);
  }
  notes.push(...data.failed.map(({ codec, path, error }) =>
    `${path}, ${codec ?? "all codecs"}: ${error}`));
  byId("notes").replaceChildren(...notes.map((note) => element("li", {}, note)));
  const conditions = [
    ["files", `${data.files.count}, SHA-256 ${data.files.sha256}`],
    ...data.machine.map(([name, value]) => [name, String(value)]),
    ["versions", data.versions.map(([name, version]) => `${name} ${version}`).join(", ")],
  ];
  byId("conditions").replaceChildren(...conditions.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value)]));
  const heard = data.clips.filter((clip) => clip.audio.some((number) => number !== null)).length;
  byId("audio-note").textContent = `The sound is in this page, as Ogg Opus at ${data.audio_bitrate / 1000} `
    + "kbit/s, and is decoded when a clip is opened. Spectrograms: 0 to 8 kHz, 32 ms windows, 75 dB "
    + "below the loudest point of the original."
    + (heard < data.clips.length ? ` To keep the page small, ${heard} of ${data.clips.length} clips have `
      + "sound: those that some codec does worst on." : "");
}

drawLead();
drawLegend();
makeThemeChoice();
makeCodecChoice();
makeGroupChoice();
choices(byId("plot-metrics"), data.metrics.map((metric) => metric.label), (metric) => {
  view.metric = metric;
  drawFigures();
})(0);
drawNotes();
document.addEventListener("keydown", onKey);
new ResizeObserver(([bar]) => {
  const sticks = getComputedStyle(bar.target).position === "sticky";
  const height = sticks ? bar.target.offsetHeight : 0;
  document.documentElement.style.setProperty("--bar-height", `${height}px`);
}).observe(document.querySelector(".bar"));
let plotWidth = byId("plot").clientWidth;
new ResizeObserver(() => {
  if (byId("plot").clientWidth === plotWidth) return;
  plotWidth = byId("plot").clientWidth;
  drawFigures();
}).observe(byId("plot"));
