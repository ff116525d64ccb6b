// What was found, on the page: bars, tables, traces, and files to keep.

import { $, clock, make } from "./dom.js";
import { colour } from "./palette.js";
import { blank, Plots } from "./plots.js";

const TITLES = { acc: "Acceleration", gyr: "Angular velocity", quaternion: "Orientation", thm: "Temperature", tof: "Time of flight" };
const LIVE_S = 60, A_CLOCK_S = 1e8, SHOWN_ROWS = 500, SHOWN_BARS = 9;

export const percent = (share) => `${(share * 100).toFixed(share > 0 && share < 0.095 ? 1 : 0)} %`;

/** A moment of the source's clock: the time of day if it counts from 1970, else as it is. */
const when = (seconds) => (seconds > A_CLOCK_S ? new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }) : clock(seconds));

export class Results {
  constructor(about) {
    this.about = about;
    this.classes = about.output.classes;
    this.isTarget = this.classes.map((name) => about.output.targets.includes(name));
    const nothing = () => {};
    this.plots = new Plots($("panels"), { seek: nothing, select: (from, to) => this.range(from, to), zoom: (factor, around) => this.zoom(factor, around), pan: (seconds) => this.pan(seconds) });
    // The wheel scrolls the page; with Ctrl it zooms.
    $("panels").addEventListener("wheel", (event) => event.ctrlKey || event.stopPropagation(), { capture: true, passive: true });
    $("zoom-in").addEventListener("click", () => this.zoom(0.5));
    $("zoom-out").addEventListener("click", () => this.zoom(2));
    $("zoom-all").addEventListener("click", () => this.zoom(Infinity));
    $("earlier").addEventListener("click", () => this.pan(-0.5 * this.span));
    $("later").addEventListener("click", () => this.pan(0.5 * this.span));
    $("save-answers").addEventListener("click", () => save("probabilities.csv", this.answers()));
    $("save-events").addEventListener("click", () => save("events.csv", this.events()));
  }

  get span() {
    return this.plots.range[1] - this.plots.range[0];
  }

  range(from, to) {
    const span = Math.min(to - from, this.whole), begin = Math.min(Math.max(0, from), this.whole - span);
    this.plots.setRange(begin, begin + span);
    $("shown").textContent = `${clock(begin)} to ${clock(begin + span)} of ${clock(this.whole)}`;
  }

  zoom(factor, around = (this.plots.range[0] + this.plots.range[1]) / 2) {
    if (factor === Infinity) this.range(0, this.whole);
    else this.range(around - Math.max(1, this.span * factor) / 2, around + Math.max(1, this.span * factor) / 2);
  }

  pan(seconds) {
    this.range(this.plots.range[0] + seconds, this.plots.range[1] + seconds);
  }

  /** Show recordings, the first of them in full. */
  show(recordings) {
    this.recordings = recordings;
    $("results").hidden = false;
    const rows = recordings.slice(0, SHOWN_ROWS).map((one, number) => {
      const choose = make("button", { type: "button", class: "link", textContent: one.id, on: { click: () => this.choose(number) } });
      return make("tr", {}, make("th", { scope: "row" }, choose), ...[one.subject, this.verdict(one), clock(one.seconds)].map((textContent) => make("td", { textContent })));
    });
    $("recordings").hidden = recordings.length < 2;
    $("recordings-more").textContent = recordings.length > SHOWN_ROWS ? `The first ${SHOWN_ROWS} of ${recordings.length}; all of them are in the file that can be saved.` : "";
    $("recordings-table").tBodies[0].replaceChildren(...rows);
    $("save-events").hidden = !recordings.some(({ long }) => long);
    if (recordings.length) this.choose(0);
  }

  verdict(one) {
    if (one.long) return `${one.events.length} event${one.events.length === 1 ? "" : "s"}`;
    if (!one.probabilities) return "stopped";
    const best = one.probabilities.indexOf(Math.max(...one.probabilities));
    return `${this.classes[best]}, ${percent(one.probabilities[best])}`;
  }

  choose(number) {
    const one = this.recordings[number];
    this.one = one;
    [...$("recordings-table").tBodies[0].rows].forEach((row, at) => row.classList.toggle("chosen", at === number));
    for (const [at, button] of $("recordings-table").querySelectorAll("button").entries()) button.setAttribute("aria-current", String(at === number));
    this.build(one);
    this.range(0, this.whole);
    this.tell(one);
  }

  build(one) {
    const course = one.windows.length ? [{ name: "answer", title: "Probability", unit: "of any behaviour looked for", channels: ["window by window", "smoothed"], colours: [5, 1] }] : [];
    const panels = [...course, ...one.panels.map(({ name, unit, channels }) => ({ name, unit, channels, title: TITLES[name] ?? name }))];
    const key = JSON.stringify(panels.map(({ name, channels }) => [name, channels]));
    if (key !== this.built) this.plots.build(panels);
    this.built = key;
    this.draw(one);
  }

  draw(one) {
    const origin = one.times[0] ?? 0, breaks = one.begins.filter((at) => at > 0 && at < one.times.length);
    this.whole = Math.max(1, one.seconds);
    this.plots.shades = one.events.map((event) => ({ from: event.start_s - origin, to: event.end_s - origin, colour: colour(1) }));
    const parted = (values, gap) => {
      const found = [...values];
      breaks.reverse().forEach((at) => found.splice(at, 0, gap(at)));
      breaks.reverse();
      return found;
    };
    const times = parted(one.times, (at) => one.times[at] - 1e-3).map((time) => time - origin);
    for (const { name, data } of one.panels) this.plots.show(name, [times, ...data.map((values) => blank(parted(values, () => NaN)))]);
    const any = ({ probabilities }) => probabilities.reduce((sum, value, index) => sum + (this.isTarget[index] ? value : 0), 0);
    const points = one.windows.flatMap((window, at) => {
      const time = window.middle_s - origin;
      return [...(window.after_gap && at ? [[time - 1e-3, null, null]] : []), [time, any(window), window.smooth]];
    });
    if (points.length) this.plots.show("answer", [0, 1, 2].map((part) => points.map((point) => point[part])));
  }

  /** The answer in words, bars and rows. */
  tell(one) {
    $("chosen").textContent = one.id;
    $("doubt").textContent = one.lacking ? `Doubtful: no network of the detector can do without ${one.lacking}, which it lacks.` : "";
    $("all-bars").hidden = one.long || !one.probabilities;
    $("events-box").hidden = !one.long;
    if (one.long) this.tellEvents(one);
    else if (one.probabilities) this.tellBars(one);
    const facts = [["wearer", one.subject], ["lasts", clock(one.seconds)], ...Object.entries(one.long ? one.counts : {}).filter(([, count]) => count).map(([name, count]) => [name.replaceAll("_", " "), count.toLocaleString("en")])];
    $("facts").replaceChildren(...facts.map(([name, value]) => make("li", {}, make("span", { textContent: `${name} ` }), value)));
  }

  tellBars({ probabilities, seconds }) {
    const order = [...this.classes.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    const any = probabilities.reduce((sum, value, index) => sum + (this.isTarget[index] ? value : 0), 0);
    const seen = this.about.seconds < seconds ? ` Its ${this.about.keep} ${clock(this.about.seconds)} were looked at.` : "";
    $("verdict").replaceChildren(make("b", { textContent: this.classes[order[0]] }), ` ${percent(probabilities[order[0]])}`, make("br"), make("span", { class: "hint", textContent: `Any behaviour that is looked for: ${percent(any)}.${seen}` }));
    const bars = order.map((index) => {
      const share = percent(probabilities[index]), target = this.isTarget[index];
      const what = make("span", { class: "name", textContent: this.classes[index] }, target ? make("span", { class: "unseen", textContent: " (looked for)" }) : null);
      return make("li", { class: target ? "bar target" : "bar" }, make("i", { class: "fill", style: { width: share.replace(" ", "") } }), what, make("span", { class: "percent", textContent: share }));
    });
    $("bars").replaceChildren(...bars.slice(0, SHOWN_BARS));
    $("more-bars").replaceChildren(...bars.slice(SHOWN_BARS));
    $("more").hidden = bars.length <= SHOWN_BARS;
    $("more-count").textContent = `${bars.length - SHOWN_BARS} more`;
  }

  tellEvents({ events, times, windows }) {
    const kinds = new Map();
    for (const { target } of events) kinds.set(target, (kinds.get(target) ?? 0) + 1);
    $("verdict").replaceChildren(make("b", { textContent: events.length ? `${events.length} event${events.length === 1 ? "" : "s"}` : "No event" }), make("br"), make("span", { class: "hint", textContent: `${[...kinds].map(([target, count]) => `${this.classes[target]} ${count} ×`).join(", ")}${events.length ? "; " : ""}${windows.length.toLocaleString("en")} windows answered` }));
    $("events-table").hidden = !events.length;
    $("events-table").tBodies[0].replaceChildren(...events.slice(-SHOWN_ROWS).map((event) => {
      const look = make("button", { type: "button", class: "link", textContent: when(event.start_s), title: "show it", on: { click: () => this.range(event.start_s - times[0] - 10, event.end_s - times[0] + 10) } });
      return make("tr", {}, make("th", { scope: "row" }, look), ...[when(event.end_s), this.classes[event.target], percent(event.confidence)].map((textContent) => make("td", { textContent })));
    }));
  }

  /** A device that sends: what came in the last minute. */
  follow({ recording, ongoing, refused, last }) {
    this.recordings = [recording];
    this.one = recording;
    $("results").hidden = false;
    $("recordings").hidden = true;
    $("save-events").hidden = false;
    if (!recording.panels.length) return "Waiting for the first readings.";
    this.build(recording);
    this.range(this.whole - LIVE_S, this.whole);
    this.tell(recording);
    const lost = refused ? ` ${refused.toLocaleString("en")} lines could not be read: ${last}` : "";
    return `${ongoing ? `Going on: ${this.classes[ongoing.target]}, since ${when(ongoing.start_s)}.` : "Receiving. Nothing is going on that is looked for."}${lost}`;
  }

  /** Rows of what was answered, with the columns of `bfrb predict`, or of `bfrb detect --probabilities`. */
  answers() {
    const once = this.recordings.filter(({ long, probabilities }) => !long && probabilities);
    if (once.length) return [["sequence_id", "prediction", "confidence", ...this.classes], ...once.map(({ id, probabilities }) => [id, this.classes[probabilities.indexOf(Math.max(...probabilities))], Math.max(...probabilities), ...probabilities])];
    return [["recording", "middle_s", "known_s", ...this.classes], ...this.recordings.flatMap(({ id, windows }) => windows.map((window) => [id, window.middle_s, window.known_s, ...window.probabilities]))];
  }

  events() {
    const rows = this.recordings.flatMap(({ id, subject, events }) => events.map((event) => [id, subject, event.start_s, event.end_s, this.classes[event.target], event.confidence, event.known_s]));
    return [["recording", "subject", "start_s", "end_s", "label", "confidence", "known_s"], ...rows];
  }
}

const quoted = (cell) => (/[",\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell));

export const csv = (rows) => `${rows.map((cells) => cells.map(quoted).join(",")).join("\n")}\n`;

function save(name, rows) {
  const address = URL.createObjectURL(new Blob([csv(rows)], { type: "text/csv" }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
