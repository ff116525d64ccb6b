// The traces: one uPlot per sensor, all on one time axis.

import { clock, make } from "./dom.js";
import { colour, css, DASHES, onTheme } from "./palette.js";

export const GUTTER = 64, MARGIN = 20;
const AXIS = 34;
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const RANGES = { quaternion: () => [-1.02, 1.02], answer: () => [0, 1], phase: () => [0, 1] };

export class Plots {
  /**
   * @param {HTMLElement} box where they go
   * @param {object} reactions `seek(seconds)`, `select(from, to)`, `zoom(factor, around)`, `pan(seconds)`
   */
  constructor(box, reactions) {
    this.box = box;
    this.reactions = reactions;
    this.panels = [];
    this.shades = [];
    this.range = [0, 1];
    new ResizeObserver(() => this.resize()).observe(box);
    onTheme(() => this.rebuild());
  }

  get width() {
    return Math.max(50, this.box.clientWidth - GUTTER - MARGIN);
  }

  /** Make the panels: `name`, `title`, `unit`, `channels` of each; `more` others may be added. */
  build(panels, more = 0) {
    for (const { root, plot } of this.panels) { plot.destroy(); root.remove(); }
    this.height = Math.min(190, Math.max(66, (innerHeight - 300 - more * AXIS) / (panels.length + more) - 34));
    this.panels = panels.map((panel, index) => this.panel(panel, this.height, index === panels.length - 1));
  }

  /** Add a panel below the others, which stay as they are: someone may be at work in them. */
  add(panel, data) {
    this.panels.push(this.panel(panel, this.height, true));
    this.show(panel.name, data);
  }

  rebuild() {
    const kept = this.panels.map(({ described, data }) => ({ described, data }));
    if (!kept.length) return;
    this.build(kept.map(({ described }) => described));
    kept.forEach(({ described, data }) => this.show(described.name, data));
  }

  panel(described, height, last) {
    const values = described.channels.map(() => make("span", { class: "value" }));
    const keys = described.channels.map((name, index) =>
      make("span", { class: "key" }, make("i", { class: DASHES[index % 5].length ? "dashed" : "", style: { borderColor: this.colour(described, index) } }), name, values[index]));
    const head = make("div", { class: "head" }, make("h3", { textContent: described.title }), make("span", { class: "unit", textContent: described.unit }), ...keys);
    const body = make("div", { class: "plot", role: "img", aria: { label: `${described.title}, ${described.unit}, over time` } });
    const root = make("div", { class: "panel" }, head, body);
    this.box.append(root);
    const full = height + (last ? AXIS : 0);
    const data = [[], ...described.channels.map(() => [])];
    const plot = new uPlot(this.options(described, full, last), data, body);
    this.listen(plot);
    return { described, data, root, plot, values, full };
  }

  colour(described, index) {
    return colour(described.colours?.[index] ?? index);
  }

  options(described, height, last) {
    const axis = { stroke: css("--quiet"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    return {
      width: this.width + GUTTER + MARGIN,
      height,
      padding: [5, MARGIN, last ? 0 : 5, 0],
      legend: { show: false },
      cursor: { sync: { key: "time" }, y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false, range: () => this.range }, y: { range: RANGES[described.name] ?? spread } },
      axes: [
        { ...axis, size: last ? AXIS : 0, incrs: STEPS_S, space: 60, values: last ? (_, splits) => splits.map((value) => clock(value, splits[1] - splits[0] < 1 ? 1 : 0)) : () => [] },
        { ...axis, size: GUTTER, gap: 6, space: 28 },
      ],
      series: [{}, ...described.channels.map((label, index) => ({ label, stroke: this.colour(described, index), width: 1.4, dash: DASHES[index % 5], points: { show: false }, spanGaps: false }))],
      hooks: { drawClear: [(plot) => this.shade(plot)], setSelect: [(plot) => this.selected(plot)] },
    };
  }

  /** Bands behind the traces. */
  shade(plot) {
    const ink = plot.ctx, { left, top, width, height } = plot.bbox;
    ink.save();
    ink.beginPath();
    ink.rect(left, top, width, height);
    ink.clip();
    for (const { from, to, colour: fill } of this.shades) {
      const start = plot.valToPos(from, "x", true), end = plot.valToPos(to, "x", true);
      if (end < left || start > left + width) continue;
      ink.globalAlpha = 0.13;
      ink.fillStyle = fill;
      ink.fillRect(start, top, Math.max(1, end - start), height);
    }
    ink.restore();
  }

  selected(plot) {
    const { left, width } = plot.select;
    if (plot.cursor.event && width > 3) this.reactions.select(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
  }

  listen(plot) {
    const at = (event) => plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x");
    let pressed = 0;
    plot.over.addEventListener("pointerdown", (event) => { pressed = event.clientX; });
    plot.over.addEventListener("pointerup", (event) => Math.abs(event.clientX - pressed) < 4 && this.reactions.seek(at(event)));
    plot.over.addEventListener("dblclick", (event) => { event.stopImmediatePropagation(); this.reactions.zoom(Infinity, 0); }, true);
    plot.over.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.reactions.pan((event.deltaX / this.width) * (this.range[1] - this.range[0]));
      else this.reactions.zoom(Math.exp(event.deltaY / 400), at(event));
    }, { passive: false });
  }

  /** Show other data in the panel of that name: times, then every channel. */
  show(name, data) {
    const panel = this.panels.find(({ described }) => described.name === name);
    if (!panel) return;
    panel.data = data;
    panel.plot.setData(data, false);
    this.redraw(panel);
  }

  redraw(panel) {
    panel.plot.batch(() => {
      panel.plot.setScale("x", { min: this.range[0], max: this.range[1] });
    });
    panel.plot.redraw(true, true);
  }

  /** Show another stretch of time; the data that are there are drawn at once. */
  setRange(from, to) {
    this.range = [from, to];
    this.panels.forEach((panel) => this.redraw(panel));
  }

  /** Mark a selection, or none. */
  setSelection(selection) {
    for (const { plot } of this.panels) {
      const left = selection ? plot.valToPos(Math.max(selection[0], this.range[0]), "x") : 0;
      const right = selection ? plot.valToPos(Math.min(selection[1], this.range[1]), "x") : 0;
      plot.setSelect({ left, top: 0, width: Math.max(0, right - left), height: plot.over.clientHeight }, false);
    }
  }

  /** Write the readings at a time beside the names of the traces. */
  readAt(seconds) {
    for (const { data, values } of this.panels) {
      const index = nearest(data[0], seconds);
      values.forEach((element, channel) => {
        const value = index < 0 ? NaN : data[channel + 1]?.[index];
        element.textContent = Number.isFinite(value) ? value.toFixed(Math.abs(value) < 10 ? 2 : 1) : "–";
      });
    }
  }

  resize() {
    for (const { plot, full } of this.panels) plot.setSize({ width: this.width + GUTTER + MARGIN, height: full });
  }
}

/** A gap for uPlot is null. */
export const blank = (values) => Array.from(values, (value) => (Number.isNaN(value) ? null : value));

function spread(_, low, high) {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

/** Position of the last time that is not after the one wanted, -1 if there is none. */
export function nearest(times, wanted) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= wanted + 1e-6) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
