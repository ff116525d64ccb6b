// One recording: what part of it is shown, where the cursor is, and everything that follows them.

import { ask, askArrays, place, remember } from "./api.js";
import { Answer } from "./answer.js";
import { $, clock, complain, make, oncePerFrame, pause, present } from "./dom.js";
import { Frames } from "./frames.js";
import { Labels } from "./labels.js";
import { Lanes, lanesOf, ownLane } from "./lanes.js";
import { Overview } from "./overview.js";
import { onTheme } from "./palette.js";
import { blank, GUTTER, MARGIN, Plots } from "./plots.js";
import { Tof } from "./tof.js";
import { blend, Wrist } from "./wrist.js";

const SHORTEST_S = 1;
/** Who steps through the list quickly asks the bundle only where they stay. */
const SETTLED_MS = 120;

export class Stage {
  constructor() {
    this.plots = new Plots($("panels"), {
      seek: (seconds) => this.seek(seconds),
      select: (from, to) => this.select(from, to),
      zoom: (factor, around) => this.zoom(factor, around),
      pan: (seconds) => this.pan(seconds),
    });
    this.lanes = new Lanes($("lanes"), (from, to) => this.select(from, to));
    this.overview = new Overview($("overview"), (middle) => this.show(middle - this.span / 2, middle + this.span / 2));
    this.labels = new Labels(() => this.drawLanes(), (from, to) => this.bringIn(from, to));
    this.answer = new Answer($("answer"), $("answer-note"));
    this.wrist = new Wrist($("wrist"));
    this.tof = new Tof($("tof"));
    this.playing = false;
    this.fetchSoon = oncePerFrame(() => this.fetch());
    this.drawSoon = oncePerFrame(() => this.drawCursor());
    onTheme(() => this.described && (this.shadeBy(this.described.segments), this.drawLanes(), this.drawRange()));
    new ResizeObserver(oncePerFrame(() => this.described && (this.drawRange(), this.fetch()))).observe($("panels"));
  }

  get span() {
    return this.range[1] - this.range[0];
  }

  /** Show another recording. */
  async open(collection, number, bundle) {
    this.stop();
    this.opening?.abort();
    const { signal } = (this.opening = new AbortController());
    this.base = `/api/recordings/${number}`;
    try {
      const described = await ask(this.base, { signal });
      present("stage");
      const traces = await askArrays(`${this.base}/traces?width=${Math.round(this.plots.width)}`, { signal });
      this.begin(described, collection, number, traces, bundle?.device === collection.device ? 2 : 0);
      await this.labels.open(described.id, names(bundle, described));
      await this.predict(bundle, collection, signal);
    } catch (error) {
      complain(error);
    }
  }

  begin(described, collection, number, traces, more) {
    Object.assign(this, { described, rate: described.row_rate_hz, whole: described.rows / described.row_rate_hz, cursor: 0, selection: null });
    const same = place.recording === String(number);
    this.range = same && place.from ? [Number(place.from), Number(place.to)] : [0, this.whole];
    place.recording = null;
    this.address = { r: number };
    this.frames = new Frames(this.base, described.rows);
    this.wrist.left = described.known.handedness === 0;
    $("wrist-note").textContent = this.wrist.left ? "left arm, sketched" : "arm sketched";
    $("wrist-box").hidden = !traces.panels.some(({ name }) => name === "quaternion");
    $("tof-box").hidden = !traces.panels.some(({ name }) => name === "tof" || name === "thm");
    this.drawHeading(described, collection);
    this.plots.build(traces.panels, more);
    this.shadeBy(described.segments);
    this.take(traces);
    this.asked = null;
    this.overview.data = seconds(traces.arrays, traces.panels[0].name, this.rate);
    this.overview.whole = this.whole;
    this.show(...this.range);
    this.select(null);
  }

  /** The row labels of the data as lanes, and the main one of them behind the traces. */
  shadeBy(segments) {
    this.shading = lanesOf(segments, this.rate);
    const main = this.shading.find((lane) => lane.name === "gesture") ?? this.shading.at(-1);
    this.plots.shades = this.overview.marks = main?.segments.filter((segment) => segment.colour) ?? [];
  }

  drawHeading({ id, known, rows, row }, collection) {
    $("title").textContent = id;
    document.title = `${id} – bfrb view`;
    const facts = [
      ["subject", known.subject], ["gesture", known.gesture], ["posture", known.orientation], ["age", known.age],
      ["hand", { 0: "left", 1: "right" }[known.handedness]], ["length", `${clock(this.whole)}, ${rows.toLocaleString("en")} rows`],
      ["measured nothing", row.missing], ["", collection.simulated ? "SIMULATED" : null],
    ];
    const shown = facts.filter(([, value]) => value !== undefined && value !== null && value !== "");
    $("facts").replaceChildren(...shown.map(([name, value]) => make("li", { class: value === "SIMULATED" ? "simulated" : "" }, name ? make("span", { textContent: name + " " }) : null, String(value))));
  }

  async predict(bundle, collection, signal) {
    if (!bundle) return this.answer.clear("No bundle is open. Start with: bfrb view RECORDINGS --bundle BUNDLE");
    if (bundle.device && bundle.device !== collection.device) return this.answer.clear(`The bundle is for recordings of ${bundle.device}, these are of ${collection.device}.`);
    this.answer.clear("Asking the bundle …");
    try {
      await pause(SETTLED_MS);
      if (signal.aborted) return;
      this.answer.show(await ask(`${this.base}/answer`, { signal }), this.described.known.gesture);
      const panel = this.answer.follow(await ask(`${this.base}/answers`, { signal }), this.rate);
      this.plots.add(panel, this.answer.data);
      this.drawLanes();
      this.plots.setSelection(this.selection);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.answer.clear(error.problem ?? error.message);
    }
    this.drawCursor();
  }

  /** Draw traces that have come. */
  take(traces) {
    for (const { name } of traces.panels) this.plots.show(name, seconds(traces.arrays, name, this.rate));
  }

  /** Ask for what the shown part needs at this width; an older question is given up. */
  async fetch() {
    const question = this.question();
    if (question === this.asked) return;
    this.fetching?.abort();
    const { signal } = (this.fetching = new AbortController());
    this.asked = question;
    try {
      this.take(await askArrays(question, { signal }));
      this.drawRange();
      this.drawSoon();
    } catch (error) {
      complain(error);
    }
  }

  question() {
    const start = Math.max(0, Math.floor(this.range[0] * this.rate) - 1);
    const stop = Math.min(this.described.rows, Math.ceil(this.range[1] * this.rate) + 2);
    return `${this.base}/traces?start=${start}&stop=${stop}&width=${Math.round(this.plots.width)}`;
  }

  show(from, to) {
    const span = Math.min(this.whole, Math.max(Math.min(SHORTEST_S, this.whole), to - from));
    const start = Math.min(Math.max(0, from), this.whole - span);
    this.range = [start, start + span];
    this.drawRange();
    this.fetchSoon();
    const zoomed = span < this.whole - 1e-6;
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => remember({ ...this.address, from: zoomed ? start.toFixed(2) : null, to: zoomed ? (start + span).toFixed(2) : null }), 200);
  }

  zoom(factor, around = this.cursor) {
    if (factor === Infinity) return this.show(0, this.whole);
    const at = Math.min(Math.max(around, this.range[0]), this.range[1]);
    const wanted = Math.min(this.whole, Math.max(Math.min(SHORTEST_S, this.whole), this.span * factor)) / this.span;
    this.show(at - (at - this.range[0]) * wanted, at + (this.range[1] - at) * wanted);
  }

  pan(amount) {
    this.show(this.range[0] + amount, this.range[1] + amount);
  }

  select(from, to) {
    this.selection = from === null || from === undefined ? null : [Math.max(0, Math.min(from, to)), Math.min(this.whole, Math.max(from, to))];
    if (this.selection && this.selection[1] <= this.selection[0]) this.selection = null;
    this.plots.setSelection(this.selection);
    $("zoom-selection").disabled = $("label-add").disabled = !this.selection;
    this.drawCursor();
  }

  /** Select a stretch and see to it that it can be seen. */
  bringIn(from, to) {
    if (from < this.range[0] || to > this.range[1]) this.show(from - (to - from), to + (to - from));
    this.seek(from);
    this.select(from, to);
  }

  drawRange() {
    this.plots.setRange(...this.range);
    this.plots.setSelection(this.selection);
    this.lanes.draw(this.range);
    this.overview.range = this.range;
    this.drawSoon();
  }

  drawLanes() {
    if (!this.described) return;
    this.lanes.build([...this.shading, ...this.answer.lanes(), ownLane(this.labels.all)]);
    this.lanes.draw(this.range);
  }

  seek(time) {
    this.cursor = Math.min(Math.max(0, time), this.whole);
    this.drawSoon();
  }

  step(rows) {
    this.seek((Math.round(this.cursor * this.rate) + rows) / this.rate);
    if (this.cursor < this.range[0] || this.cursor > this.range[1]) this.show(this.cursor - this.span / 2, this.cursor + this.span / 2);
  }

  drawCursor() {
    if (!this.described) return;
    const share = (this.cursor - this.range[0]) / this.span, head = $("playhead");
    head.hidden = share < 0 || share > 1;
    head.style.transform = `translateX(${GUTTER + share * (($("panels").clientWidth || 0) - GUTTER - MARGIN)}px)`;
    const selected = this.selection ? ` · selected ${clock(this.selection[0])} to ${clock(this.selection[1])}` : "";
    $("clock").textContent = `${clock(this.cursor)} of ${clock(this.whole)}${selected}`;
    this.overview.cursor = this.cursor;
    this.overview.draw();
    this.plots.readAt(this.cursor);
    this.answer.at(this.cursor, this.whole);
    this.drawFrame();
  }

  drawFrame() {
    const at = this.cursor * this.rate, row = Math.min(this.described.rows - 1, Math.floor(at));
    const frame = this.frames.at(row, () => this.drawSoon());
    if (!frame) return;
    this.shownRow = row;
    const after = this.frames.at(Math.min(this.described.rows - 1, row + 1), () => {});
    if (frame.quaternion) this.wrist.show(blend([...frame.quaternion], [...(after ?? frame).quaternion], Math.min(1, Math.max(0, at - row))));
    this.tof.show(frame.tof, frame.thm);
  }

  toggle() {
    if (this.playing) return this.stop();
    this.playing = true;
    if (this.cursor >= this.whole - 1e-6) this.seek(0);
    $("play").textContent = "Stop";
    $("play").setAttribute("aria-pressed", "true");
    let before = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      this.seek(this.cursor + ((now - before) / 1000) * Number($("speed").value));
      before = now;
      if (this.cursor > this.range[1] && this.range[1] < this.whole) this.pan(this.span);
      if (this.cursor >= this.whole) this.stop();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  stop() {
    this.playing = false;
    $("play").textContent = "Play";
    $("play").setAttribute("aria-pressed", "false");
  }
}

/** Times and channels of one panel, as uPlot takes them. */
function seconds(arrays, name, rate) {
  const times = Float64Array.from(arrays.rows.data, (row) => row / rate);
  const { shape, data } = arrays[name];
  return [times, ...Array.from({ length: shape[0] }, (_, channel) => blank(data.subarray(channel * shape[1], (channel + 1) * shape[1])))];
}

function names(bundle, described) {
  const own = Object.values(described.segments).flatMap((runs) => runs.map((run) => run[2]));
  return [...new Set([...(bundle?.classes ?? []), described.known.gesture, ...own])].filter(Boolean);
}
