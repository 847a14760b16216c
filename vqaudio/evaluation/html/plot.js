// Rate, on a logarithmic axis, against a metric: one mark a codec, whiskers for the interval.

const GLYPH = 7; // half the size of a mark, px

/**
 * Draw into `host`. marks: [{codec, name, rate, mean, low, high, text}], rate in bit/s, low and
 * high null where there is no interval;
 * metric: {label, higher_is_better, digits}; describe(text) is told of the mark pointed at, or "".
 */
function drawPlot(host, marks, metric, describe) {
  const width = Math.max(host.clientWidth, 280);
  const height = Math.round(Math.min(460, Math.max(320, width * 0.45)));
  const frame = { left: 54, right: width - 14, top: 26, bottom: height - 46 };
  const picture = svg("svg", {
    width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${metric.label} (${direction(metric)}) against bit/s: `
      + marks.map((mark) => mark.text).join("; "),
  });
  host.replaceChildren(picture);
  if (!marks.length) {
    picture.append(svg("text", { x: width / 2, y: height / 2, class: "axis", "text-anchor": "middle" },
      "No codec shown has this figure"));
    return;
  }
  const x = rateScale(marks.map((mark) => mark.rate), frame);
  const y = valueScale(marks.flatMap((mark) => [mark.low ?? mark.mean, mark.high ?? mark.mean]), frame);
  drawAxes(picture, frame, x, y, metric);
  picture.append(drawFrontier(marks, metric, x, y, frame));
  const placed = marks.map((mark) => ({
    ...mark, x: x.at(mark.rate), y: y.at(mark.mean),
    top: y.at(mark.high ?? mark.mean), bottom: y.at(mark.low ?? mark.mean),
  }));
  placeLabels(placed, frame);
  for (const mark of placed) {
    const group = drawMark(mark);
    group.addEventListener("pointerenter", () => {
      picture.classList.add("pointing");
      group.classList.add("pointed");
      describe(mark.text);
    });
    group.addEventListener("pointerleave", () => {
      picture.classList.remove("pointing");
      group.classList.remove("pointed");
      describe("");
    });
    picture.append(group);
  }
}

function drawMark(mark) {
  const { x, y, top, bottom, label } = mark;
  const group = tint(svg("g", { class: "mark" }), mark.codec);
  const whisker = `M${x} ${top}V${bottom}M${x - 4} ${top}h8M${x - 4} ${bottom}h8`;
  group.append(
    svg("title", {}, mark.text),
    ...(mark.low === null ? [] : [svg("path", { class: "whisker", d: whisker })]),
    svg("circle", { class: "glyph", cx: x, cy: y, r: GLYPH - 1 }),
    svg("circle", { class: "target", cx: x, cy: y, r: 16 }),
  );
  if (label.far) {
    const nearest = Math.min(Math.max(x, label.left), label.right);
    const edge = label.middle < y ? label.middle + 7 : label.middle - 7;
    group.append(svg("path", { class: "leader", d: `M${x} ${y}L${nearest} ${edge}` }));
  }
  group.append(svg("text", { class: "name", x: label.left, y: label.middle + 4 }, mark.name));
  return group;
}

function rateScale(rates, frame) {
  const spread = 1.35;
  const low = Math.log(Math.min(...rates) / spread);
  const high = Math.log(Math.max(...rates) * spread);
  const at = (rate) => frame.left + ((Math.log(rate) - low) / (high - low)) * (frame.right - frame.left);
  const ticks = [];
  for (let decade = 1; decade < Math.exp(high); decade *= 10) {
    for (const step of [1, 2, 5]) {
      const place = at(step * decade);
      if (place >= frame.left && place <= frame.right) ticks.push(step * decade);
    }
  }
  const crowded = ticks.some((tick, i) => i && at(tick) - at(ticks[i - 1]) < 34);
  return { at, ticks: crowded ? ticks.filter((tick) => /^10*$/.test(String(tick))) : ticks };
}

function valueScale(values, frame) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  const pad = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  if (low < 0 || low - pad > 0) low -= pad; // what cannot be negative has no axis below 0
  high += pad;
  const at = (value) => frame.bottom - ((value - low) / (high - low)) * (frame.bottom - frame.top);
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const ticks = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) ticks.push(n * step);
  return { at, ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function drawAxes(picture, frame, x, y, metric) {
  for (const tick of y.ticks) {
    picture.append(
      svg("path", { class: "grid", d: `M${frame.left} ${y.at(tick)}H${frame.right}` }),
      svg("text", { class: "axis", x: frame.left - 8, y: y.at(tick) + 4, "text-anchor": "end" },
        fixed(tick, y.digits)),
    );
  }
  for (const tick of x.ticks) {
    const label = tick < 1000 ? String(tick) : `${tick / 1000}k`;
    picture.append(
      svg("path", { class: "grid", d: `M${x.at(tick)} ${frame.top}V${frame.bottom}` }),
      svg("text", { class: "axis", x: x.at(tick), y: frame.bottom + 18, "text-anchor": "middle" }, label),
    );
  }
  picture.append(
    svg("path", { class: "base", d: `M${frame.left} ${frame.bottom}H${frame.right}` }),
    svg("text", { class: "axis title", x: 4, y: 14 }, `${metric.label} `,
      svg("tspan", { class: metric.higher_is_better ? "" : "beware" }, direction(metric))),
    svg("text", { class: "axis title", x: frame.right, y: frame.bottom + 38, "text-anchor": "end" },
      "measured rate, bit/s (logarithmic)"),
  );
}

/** Through the codecs that no other beats at their rate or a lower one. */
function drawFrontier(marks, metric, x, y, frame) {
  const better = (a, b) => (metric.higher_is_better ? a > b : a < b);
  let best = null;
  let path = "";
  for (const mark of [...marks].sort((a, b) => a.rate - b.rate)) {
    if (best !== null && !better(mark.mean, best)) continue;
    path += best === null ? `M${x.at(mark.rate)} ${y.at(mark.mean)}`
      : `H${x.at(mark.rate)}V${y.at(mark.mean)}`;
    best = mark.mean;
  }
  return svg("path", { class: "frontier", d: `${path}H${frame.right}` });
}

/** Give every mark a `label`, {left, right, middle, far}, where it hides as little as can be. */
function placeLabels(marks, frame) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `600 13px ${getComputedStyle(document.body).fontFamily}`;
  const obstacles = marks.flatMap((mark) => [
    box(mark.x - GLYPH, mark.x + GLYPH, mark.y - GLYPH, mark.y + GLYPH),
    box(mark.x - 4, mark.x + 4, mark.top, mark.bottom),
  ]);
  const options = marks.map((mark) => labelPlaces(mark, pen.measureText(mark.name).width + 2));
  const chosen = options.map((places) => places[0]);
  // Each label in turn takes the best place given where the others are, until none moves.
  for (let round = 0; round < 6; round++) {
    options.forEach((places, own) => {
      const others = chosen.filter((_, index) => index !== own);
      const costs = places.map((place) => place.cost + outside(place, frame) * 50
        + sum(obstacles.map((obstacle) => overlap(place, obstacle)))
        + sum(others.map((other) => 3 * overlap(widened(place, 8), other))));
      chosen[own] = places[costs.indexOf(Math.min(...costs))];
    });
  }
  marks.forEach((mark, index) => {
    const { left, right, top, bottom, far } = chosen[index];
    mark.label = { left, right, middle: (top + bottom) / 2, far };
  });
}

/** Boxes beside, above and below a mark, near ones first. */
function labelPlaces(mark, width) {
  const places = [];
  for (const [distance, far] of [[GLYPH + 4, false], [26, true], [44, true], [64, true]]) {
    for (const [across, up] of [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [1, 1], [-1, -1], [-1, 1]]) {
      const reach = across && up ? distance * 0.75 : distance;
      const middle = mark.y + up * (reach + (across ? 0 : 4));
      const start = mark.x + across * reach;
      const left = across > 0 ? start : across < 0 ? start - width : mark.x - width / 2;
      places.push({
        ...box(left, left + width, middle - 8, middle + 8), far: far && up !== 0,
        cost: distance * 2 + (up ? 4 : 0) + (far && !up ? 1000 : 0),
      });
    }
  }
  return places;
}

function box(left, right, top, bottom) {
  return { left, right, top, bottom };
}

/** With room for a space at either end, so that two labels do not read as one. */
function widened({ left, right, top, bottom }, by) {
  return box(left - by, right + by, top, bottom);
}

function overlap(a, b) {
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return across > 0 && down > 0 ? across * down : 0;
}

function outside(place, frame) {
  return Math.max(0, frame.left - place.left) + Math.max(0, place.right - frame.right)
    + Math.max(0, frame.top - place.top) + Math.max(0, place.bottom - frame.bottom);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
