"use strict";

// Small helpers. Text always goes in as text, never as markup: a clip may be called anything.

/** An HTML element; attributes that start with "on" are listeners, false leaves one out. */
function element(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function byId(id) {
  return document.getElementById(id);
}

/** Gives an element the colour of a codec, as the variable --codec of its style. */
function tint(node, codec) {
  node.style.setProperty("--codec", `var(--codec-${codec % 10})`);
  return node;
}

/** A number with some digits after the point, a dash for none. */
function fixed(value, digits) {
  return value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
}

/** Thousands apart: 128 000. */
function whole(value) {
  if (value === null || value === undefined) return "–";
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Seconds as 7.7 s or 3 min 12 s. */
function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** "higher is better", said of a metric. */
function direction(metric) {
  return metric.higher_is_better ? "↑ higher is better" : "↓ lower is better";
}

/** A row of buttons of which one is pressed. `select(index)` is told; returns a way to set it. */
function choices(host, labels, select) {
  const buttons = labels.map((label, index) =>
    element("button", { type: "button", onclick: () => set(index) }, label));
  host.replaceChildren(...buttons);
  function set(chosen) {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", index === chosen));
    select(chosen);
  }
  return set;
}
