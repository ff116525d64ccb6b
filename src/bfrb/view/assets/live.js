// A stream as it comes: the last minutes scroll by, with what the bundle answers and the events it finds.

import { askArrays } from "./api.js";
import { Answer, percent } from "./answer.js";
import { $, clock, make, pause, present } from "./dom.js";
import { Lanes } from "./lanes.js";
import { colour, onTheme } from "./palette.js";
import { blank, Plots } from "./plots.js";
import { Tof } from "./tof.js";
import { Wrist } from "./wrist.js";

const EVERY_MS = 200, HIDDEN_MS = 1000, AGAIN_MS = 1000, SHOWN_EVENTS = 50, SILENT_S = 3, A_CLOCK_S = 1e8;
const COURSE = { name: "answer", title: "Probability", unit: "as it was known", channels: ["any looked for", "the surest"], colours: [1, 0] };
const NOTHING = () => {};

export class Live {
  constructor() {
    this.plots = new Plots($("live-panels"), { seek: NOTHING, select: NOTHING, zoom: NOTHING, pan: NOTHING });
    this.lanes = new Lanes($("live-lanes"), NOTHING);
    this.wrist = new Wrist($("live-wrist"));
    this.tof = new Tof($("live-tof"));
    this.answer = new Answer($("live-answer"), $("live-answer-note"));
    this.built = this.listed = "";
    this.paused = false;
    onTheme(() => this.found && this.draw());
    $("live-pause").addEventListener("click", () => this.hold(!this.paused));
    for (const id of ["live-span", "live-wearer"]) $(id).addEventListener("change", () => this.refresh());
  }

  get span() {
    return Number($("live-span").value);
  }

  /** Show the stream, and follow it until something else is shown. */
  async open(bundle) {
    this.bundle = bundle;
    document.title = "Live – bfrb view";
    present("live");
    if (this.running) return;
    this.running = true;
    while (!$("live").hidden) {
      if (!this.paused) await this.refresh();
      await pause(this.failed ? AGAIN_MS : document.hidden ? HIDDEN_MS : EVERY_MS);
    }
    this.running = false;
  }

  /** Stop or go on; what comes meanwhile is not lost. */
  hold(paused) {
    this.paused = paused;
    $("live-pause").textContent = paused ? "Go on" : "Pause";
    $("live-pause").setAttribute("aria-pressed", String(paused));
    if (paused) this.drawState();
    else this.refresh();
  }

  async refresh() {
    const query = new URLSearchParams({ span: this.span, width: Math.round(this.plots.width), wearer: $("live-wearer").value });
    try {
      this.found = await askArrays(`/api/live?${query}`);
      this.failed = null;
      this.draw();
    } catch (error) {
      this.failed = error;
    }
    this.drawState();
  }

  draw() {
    const { found } = this;
    this.drawWearers(found);
    const { panels, arrays } = found;
    if (!panels.length) return;
    this.build(panels);
    this.plots.range = [-this.span, 0];
    const spans = this.eventSpans(found);
    this.plots.shades = spans;
    const width = found.rows / this.bundle.row_rate_hz;
    const times = Float64Array.from(arrays.rows.data, (row) => row / this.bundle.row_rate_hz - width);
    for (const { name } of panels) this.plots.show(name, [times, ...channelsOf(arrays[name]).map(blank)]);
    this.plots.show("answer", this.course(arrays, width));
    this.plots.readAt(0);
    this.lanes.build([{ name: "events", segments: spans }]);
    this.lanes.draw(this.plots.range);
    this.drawLast(arrays, width);
    this.drawEvents(found);
  }

  build(panels) {
    const names = panels.map(({ name }) => name).join();
    if (names === this.built) return;
    this.built = names;
    this.plots.build([...panels, COURSE]);
    $("live-wrist-box").hidden = !names.includes("quaternion");
    $("live-tof-box").hidden = !/thm|tof/.test(names);
  }

  /** Times, the probability of any behaviour looked for, and that of the surest class. */
  course({ answered, probabilities }, width) {
    const classes = channelsOf(probabilities), { targets } = this.bundle;
    const any = Array.from(answered.data, (_, step) => classes.reduce((sum, values, index) => sum + (targets[index] ? values[step] : 0), 0));
    const surest = Array.from(answered.data, (_, step) => Math.max(...classes.map((values) => values[step])));
    return [Float64Array.from(answered.data, (time) => time - width), any, surest];
  }

  drawLast({ last_quaternion: quaternion, last_tof: tof, last_thm: thm, answered, probabilities }, width) {
    this.wrist.show(quaternion?.data.every(Number.isFinite) ? [...quaternion.data] : null);
    if (tof || thm) this.tof.show(tof?.data, thm?.data);
    const steps = answered.data.length;
    if (!steps) return this.answer.clear("Nothing is answered yet: a window has to fill first.");
    const last = channelsOf(probabilities).map((values) => values[steps - 1]);
    const classes = this.bundle.classes.map((name, index) => ({ name, target: this.bundle.targets[index], probability: last[index] }));
    const best = last.indexOf(Math.max(...last));
    this.answer.show({ classes, gesture: classes[best].name, confidence: last[best], target: sum(classes.filter(({ target }) => target)) }, null);
    $("live-answer-note").textContent = `known ${clock(width - answered.data[steps - 1])} ago`;
  }

  /** Events as stretches of time before now; one that is going on reaches to now. */
  eventSpans({ events, ongoing, start_s, rows }) {
    const end = start_s + rows / this.bundle.row_rate_hz;
    const spans = events.map((event) => ({ from: event.start_s - end, to: event.end_s - end, text: event.label, colour: colour(1) }));
    return ongoing ? [...spans, { from: ongoing.start_s - end, to: 0, text: `${ongoing.label} …`, colour: colour(1) }] : spans;
  }

  drawEvents({ events, ongoing }) {
    const now = $("live-now"), text = ongoing ? `Going on: ${ongoing.label}, since ${when(ongoing.start_s)}` : "Nothing is going on that is looked for.";
    if (now.textContent !== text) now.textContent = text;
    now.classList.toggle("found", Boolean(ongoing));
    const key = JSON.stringify(events);
    if (key === this.listed) return;
    this.listed = key;
    $("live-count").textContent = events.length ? `${events.length}, the latest first` : "none yet";
    $("live-events").hidden = !events.length;
    $("live-events").tBodies[0].replaceChildren(...events.slice(-SHOWN_EVENTS).reverse().map(row));
  }

  drawWearers({ wearers, wearer, what, counts }) {
    const select = $("live-wearer");
    $("live-wearers").hidden = wearers.length < 2;
    if (wearers.join("\n") !== [...select.options].map(({ value }) => value).join("\n"))
      select.replaceChildren(...wearers.map((value) => make("option", { value, textContent: value })));
    if (wearer) select.value = wearer;
    const facts = [["from", what], ["wearer", wearer], ...Object.entries(counts ?? {}).filter(([name, number]) => number && name !== "events").map(([name, number]) => [name.replaceAll("_", " "), number.toLocaleString("en")])];
    $("live-facts").replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => make("li", {}, make("span", { textContent: `${name} ` }), value)));
  }

  drawState() {
    const box = $("live-state");
    const { state, problem, refused, last_refused: last, silent_s: silent } = this.found ?? {};
    const texts = {
      waiting: "waiting for the first samples",
      receiving: this.paused ? "held; samples are still taken in" : silent > SILENT_S ? `nothing has come for ${clock(silent, 0)}` : "receiving",
      ended: "the stream has ended",
      failed: problem ? `${problem.problem}. To do: ${problem.remedy}` : "",
    };
    const lost = this.failed ? `${this.failed.problem ?? this.failed.message} Trying again …` : "";
    const text = lost || [texts[state] ?? "", refused ? `${refused.toLocaleString("en")} messages could not be read: ${last}` : ""].filter(Boolean).join(" · ");
    if (box.textContent !== text) box.textContent = text;
    box.className = lost || state === "failed" ? "lost" : state === "receiving" && !this.paused && silent <= SILENT_S ? "pulse" : "";
  }
}

function row(event) {
  const cells = [when(event.start_s), when(event.end_s), event.label, percent(event.confidence), clock(event.known_s - event.start_s)];
  return make("tr", {}, ...cells.map((textContent) => make("td", { textContent })));
}

/** A moment of the source's clock: the time of day if it counts from 1970, else as it is. */
const when = (seconds) => (seconds > A_CLOCK_S ? new Date(seconds * 1000).toLocaleTimeString() : clock(seconds));

const sum = (classes) => classes.reduce((total, { probability }) => total + probability, 0);

const channelsOf = ({ shape, data }) => Array.from({ length: shape[0] }, (_, channel) => data.subarray(channel * shape[1], (channel + 1) * shape[1]));
