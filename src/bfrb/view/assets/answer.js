// What the bundle answers: for the recording as a whole, and up to the cursor.

import { clock, make } from "./dom.js";
import { colour } from "./palette.js";
import { nearest } from "./plots.js";

const SHOWN_TRACES = 4, SHOWN_BARS = 8;

export class Answer {
  /** @param {HTMLElement} box where it goes @param {HTMLElement} note where it is said what it is about */
  constructor(box, note) {
    this.box = box;
    this.note = note;
    this.whole = null;
    this.course = null;
  }

  clear(text) {
    this.whole = this.course = null;
    this.note.textContent = "";
    this.box.replaceChildren(make("p", { class: "hint", textContent: text }));
  }

  /** Show the answer for the whole recording. */
  show(whole, truth) {
    this.whole = whole;
    const order = [...whole.classes.keys()].sort((a, b) => whole.classes[b].probability - whole.classes[a].probability);
    this.bars = order.map((index) => this.bar(whole.classes[index], index, truth));
    this.headline = make("p", { class: "verdict" });
    const seen = whole.seen ? make("p", { class: "hint", textContent: "This person was in the training: expect less of others." }) : "";
    const roots = this.bars.map(({ root }) => root), rest = roots.slice(SHOWN_BARS);
    this.box.replaceChildren(this.headline, seen, make("ol", { class: "bars" }, ...roots.slice(0, SHOWN_BARS)));
    if (rest.length) this.box.append(make("details", {}, make("summary", { textContent: `${rest.length} more` }), make("ol", { class: "bars" }, ...rest)));
    this.at(Infinity, 1);
  }

  bar({ name, target, probability }, index, truth) {
    const fill = make("i", { class: "fill" }), text = make("span", { class: "percent" });
    const tick = make("i", { class: "tick", style: { left: percent(probability) } });
    const label = make("span", { class: "name", textContent: (name === truth ? "✓ " : "") + name });
    const root = make("li", { class: target ? "bar target" : "bar", title: target ? `${name} (looked for)` : name }, fill, tick, label, text);
    return { index, fill, text, root };
  }

  /** Show the course; gives the panel that draws it. */
  follow(course, rate) {
    this.course = course;
    this.times = course.end_rows.map((row) => row / rate);
    const peak = course.probabilities.map((values) => Math.max(...values));
    const chosen = [...peak.keys()].sort((a, b) => peak[b] - peak[a]).slice(0, SHOWN_TRACES).sort((a, b) => a - b);
    const sum = this.times.map((_, step) => course.probabilities.reduce((total, values, index) => total + (course.targets[index] ? values[step] : 0), 0));
    this.data = [this.times, sum, ...chosen.map((index) => course.probabilities[index])];
    const unit = course.kind === "windows" ? `in the ${clock(course.window_rows / rate, 0)} before` : "from the rows so far";
    return { name: "answer", title: "Probability", unit, channels: ["any looked for", ...chosen.map((index) => course.classes[index])], colours: [1, 0, 2, 3, 4] };
  }

  /** The lane of the events found, if the course has them. */
  lanes() {
    const { events } = this.course ?? {};
    return events ? [{ name: "found", segments: events.map((event) => ({ from: event.start_s, to: event.end_s, text: event.label, colour: colour(1) })) }] : [];
  }

  /** Move headline and bars to what was answered at a time; before anything was, they are of the whole recording. */
  at(seconds, whole) {
    if (!this.whole) return;
    const step = this.course ? nearest(this.times, seconds) : -1;
    const done = step < 0 || (seconds >= whole - 0.05 && this.course.kind === "prefixes");
    this.note.textContent = done ? "for the whole recording" : this.course.kind === "windows" ? `up to ${clock(this.times[step])}` : `after ${clock(this.times[step])}`;
    const values = this.whole.classes.map(({ probability }, index) => (done ? probability : this.course.probabilities[index][step]));
    const best = values.indexOf(Math.max(...values));
    if (done) this.head(this.whole.gesture, this.whole.confidence, this.whole.target);
    else this.head(this.course.classes[best], values[best], values.reduce((sum, value, index) => sum + (this.course.targets[index] ? value : 0), 0));
    for (const { index, fill, text } of this.bars) fill.style.width = text.textContent = percent(values[index]);
  }

  head(gesture, confidence, target) {
    const hint = make("span", { class: "hint", textContent: `any of the behaviours looked for: ${percent(target)}` });
    this.headline.replaceChildren(make("b", { textContent: gesture }), ` ${percent(confidence)}`, make("br"), hint);
  }
}

export const percent = (share) => `${(share * 100).toFixed(share > 0 && share < 0.095 ? 1 : 0)} %`.replace(" ", "");
