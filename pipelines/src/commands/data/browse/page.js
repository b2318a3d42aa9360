"use strict";
const SVG = "http://www.w3.org/2000/svg";
const CELL = 200;
const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const isSvg = ["svg", "g", "rect", "image", "text", "title"].includes(tag);
  const node = isSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/// A mark in the colour of its class.
function mark(colour, ...children) {
  const group = make("g", { class: "mark" }, ...children);
  group.style.setProperty("--c", colour);
  return group;
}

function box([x, y, width, height], name, colour, letters) {
  const place = { x, y, width, height };
  const text = make("text", { x: x + letters / 4, y: Math.max(y, 0) + letters }, name);
  text.style.fontSize = `${letters}px`;
  text.style.strokeWidth = `${letters / 5}px`;
  return mark(colour, make("rect", { class: "case", ...place }), make("rect", { class: "line", ...place }), text);
}

// --- Images --------------------------------------------------------------------------------------------------------

// Where `epochs` is set the page is in a folder; otherwise a server answers.
const state = { ...JSON.parse(byId("content").textContent), shown: [], cells: new Map(), columns: 1 };
byId("content").remove();

function original(number) {
  const name = state.items[number][1].split("/").map(encodeURIComponent).join("/");
  if (!state.epochs) return `image/large/${number}.jpg`;
  return name.startsWith("/") ? `file://${name}` : `${state.originals}/${name}`;
}

function picture(number, size) {
  const [, name, width, height, boxes] = state.items[number];
  const view = width && height ? [width, height] : [4, 3];
  const frame = { class: "frame", viewBox: `0 0 ${view[0]} ${view[1]}`, role: "img", "aria-label": name };
  const whole = { width: view[0], height: view[1], preserveAspectRatio: "xMidYMid meet" };
  const kept = `image/small/${number}.jpg`;
  const image = make("image", { href: size === "small" ? kept : original(number), ...whole });
  // The images themselves are elsewhere when a folder is taken to another machine, and a browser does not know every format.
  image.addEventListener("error", () => image.getAttribute("href") === kept || image.setAttribute("href", kept));
  const svg = make("svg", frame, image);
  const side = state.epochs ? "small" : size;
  if (state.masks) svg.append(mark("#fff", make("image", { href: `mask/${side}/${number}.png`, ...whole })));
  const letters = Math.max(...view) / (size === "large" ? 50 : 18);
  for (let at = 0; at < boxes.length; at += 5) {
    const { name, colour } = state.classes[boxes[at]] ?? { name: "?", colour: "#fff" };
    svg.append(box(boxes.slice(at + 1, at + 5), name, colour, letters));
  }
  return svg;
}

function cell(number) {
  const [, name, , , , classes, kinds] = state.items[number];
  const labels = classes.map((index) => state.classes[index]?.name).join(", ");
  // Folders are often the same for all, and would leave no room.
  const file = name.split("/").pop();
  const caption = make("span", { class: "name", title: name }, labels && !state.masks ? `${labels}: ${file}` : file);
  if (kinds.length) caption.prepend(make("span", { class: "flag" }, `${kinds.length}`), " ");
  const button = make("button", { type: "button" }, picture(number, "small"), caption);
  button.addEventListener("click", () => enlarge(number));
  return make("div", { class: "cell", role: "listitem" }, button);
}

/// Only cells near the visible part of the page exist.
function layOut() {
  const grid = byId("grid");
  if (grid.clientWidth === 0) return;
  state.columns = Math.max(1, Math.floor(grid.clientWidth / CELL));
  const width = grid.clientWidth / state.columns;
  const height = width * 0.75 + 28;
  grid.style.height = `${Math.ceil(state.shown.length / state.columns) * height}px`;
  const top = -grid.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / height) - 1) * state.columns;
  const last = Math.min(state.shown.length, (Math.ceil((top + innerHeight) / height) + 1) * state.columns);
  const wanted = new Map();
  for (let place = first; place < last; place++) wanted.set(state.shown[place], place);
  for (const [number, node] of state.cells) {
    if (!wanted.has(number)) {
      node.remove();
      state.cells.delete(number);
    }
  }
  for (const [number, place] of wanted) {
    let node = state.cells.get(number);
    if (!node) {
      node = cell(number);
      state.cells.set(number, node);
      grid.append(node);
    }
    const [row, column] = [Math.floor(place / state.columns), place % state.columns];
    node.style.width = `${width}px`;
    node.style.height = `${height}px`;
    node.style.transform = `translate(${column * width}px, ${row * height}px)`;
    node.querySelector("svg").style.height = `${height - 36}px`;
    node.setAttribute("aria-setsize", state.shown.length);
    node.setAttribute("aria-posinset", place + 1);
  }
}

function filter() {
  const number = (id) => (byId(id).value === "" ? null : parseFloat(byId(id).value));
  const within = (value, least, most) => (least === null || value >= least) && (most === null || value <= most);
  const [split, kind] = [number("split"), byId("kind").value];
  const wanted = number("class");
  const [least, most, smallest, largest] = ["least", "most", "smallest", "largest"].map(number);
  const [narrowest, widest] = ["narrowest", "widest"].map(number);
  const ofSize = smallest !== null || largest !== null;
  state.shown = [];
  state.items.forEach(([ofSplit, , width, height, boxes, classes, kinds], index) => {
    if (split !== null && ofSplit !== split) return;
    if (kind === "any" ? kinds.length === 0 : kind !== "" && !kinds.includes(parseInt(kind, 10))) return;
    if (!within(boxes.length / 5, least, most)) return;
    if ((narrowest !== null || widest !== null) && !(height > 0 && within(width / height, narrowest, widest))) return;
    if (wanted !== null || ofSize) {
      let found = !ofSize && classes.includes(wanted);
      for (let at = 0; at < boxes.length && !found; at += 5) {
        const side = Math.sqrt(Math.max(0, boxes[at + 3]) * Math.max(0, boxes[at + 4]));
        found = (wanted === null || boxes[at] === wanted) && (!ofSize || within(side, smallest, largest));
      }
      if (!found) return;
    }
    state.shown.push(index);
  });
  byId("count").textContent = `${state.shown.length} of ${state.items.length} images`;
  byId("images").classList.toggle("unmarked", !byId("marks").checked);
  layOut();
}

function enlarge(number) {
  const [split, name, width, height, boxes, classes, , sentences] = state.items[number];
  byId("large-name").textContent = `${state.splits[split]}: ${name}`;
  byId("large-picture").replaceChildren(picture(number, "large"));
  const facts = [...sentences];
  if (classes.length) facts.unshift(classes.map((index) => state.classes[index]?.name).join(", "));
  const objects = classes.length ? "" : `, ${boxes.length / 5} objects`;
  if (width) facts.unshift(`${width} x ${height} pixels${objects}`);
  byId("large-facts").replaceChildren(...facts.map((fact) => make("li", {}, fact)));
  byId("large").showModal();
}

function options(id, names) {
  byId(id).append(...names.map((name, index) => make("option", { value: index }, name)));
}

function start() {
  options("split", state.splits);
  options("class", state.classes.map(({ name }) => name));
  options("kind", state.kinds);
  filter();
}

byId("filters").addEventListener("input", filter);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("reset", () => setTimeout(filter));
let waiting = false;
const later = () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    layOut();
  });
};
addEventListener("scroll", later, { passive: true });
addEventListener("resize", later);

// --- What training sees --------------------------------------------------------------------------------------------

const COUNT = 24;
let all = 0;
let asked = 0;
if (state.epochs) byId("epoch").max = state.epochs.length - 1;

async function samplesOf(first, epoch, seed) {
  if (!state.epochs) return (await fetch(`augmented.json?first=${first}&count=${COUNT}&epoch=${epoch}&seed=${seed}`)).json();
  const kept = state.epochs[epoch]?.samples ?? [];
  return { all: kept.length, samples: kept.slice(first, first + COUNT) };
}

async function sample() {
  const [epoch, seed, first] = ["epoch", "seed", "first"].map((id) => Math.max(0, parseInt(byId(id).value, 10) || 0));
  const mine = ++asked;
  const { all: known, samples } = await samplesOf(first, epoch, seed);
  if (mine !== asked) return;
  all = known;
  byId("samples").textContent = `${samples.length} of ${all} samples, epoch ${epoch}, seed ${seed}`;
  byId("augmented").replaceChildren(...samples.map(sampleFigure));
}

function sampleFigure({ Ok: made, Err: failure }) {
  const item = { role: "listitem" };
  if (failure) return make("p", item, failure);
  const { image, width, height, truth } = made.picture;
  const frame = { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": made.name };
  const svg = make("svg", frame, make("image", { href: image, width, height }));
  const labels = [];
  for (const { name, colour, shape } of truth) {
    if (shape.box) svg.append(box(shape.box, name, colour, width / 22));
    else if (shape.mask) svg.append(mark(colour, make("image", { href: shape.mask, width, height })));
    else labels.push(name);
  }
  const caption = make("figcaption", {}, [...labels, made.name].join(": "));
  return make("div", item, make("figure", {}, svg, caption));
}

byId("choice").addEventListener("input", sample);
byId("choice").addEventListener("submit", (event) => event.preventDefault());
const step = (by) => () => {
  const first = Math.min(Math.max(0, parseInt(byId("first").value, 10) + by || 0), Math.max(0, all - 1));
  byId("first").value = first;
  sample();
};
byId("before").addEventListener("click", step(-COUNT));
byId("after").addEventListener("click", step(COUNT));

// --- Tabs ----------------------------------------------------------------------------------------------------------

const tabs = [byId("tab-images"), byId("tab-training")];
function choose(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", chosen);
    other.tabIndex = chosen ? 0 : -1;
    byId(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (tab.id === "tab-training") sample();
  else layOut();
}
for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    const other = tabs[1 - tabs.indexOf(tab)];
    choose(other);
    other.focus();
  });
}

start();
