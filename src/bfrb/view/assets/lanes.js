// Stretches of time under the traces: the data's own row labels, and the labels of the user.

import { clock, make } from "./dom.js";
import { colour, labelColour } from "./palette.js";

const MOST = 400;

export class Lanes {
  /** @param {HTMLElement} box @param {(from: number, to: number) => void} select is told a stretch that was chosen */
  constructor(box, select) {
    this.box = box;
    this.select = select;
    this.lanes = [];
  }

  /** Show other lanes: `name` and `segments` (`from`, `to`, `text`, `colour`) of each. */
  build(lanes) {
    this.lanes = lanes.map(({ name, segments }) => {
      const track = make("div", { class: "track" });
      return { segments, track, root: make("div", { class: "lane" }, make("span", { class: "lane-name", textContent: name }), track) };
    });
    this.box.replaceChildren(...this.lanes.map(({ root }) => root));
  }

  draw([from, to]) {
    const span = to - from;
    for (const { segments, track } of this.lanes) {
      let seen = segments.filter((segment) => segment.to > from && segment.from < to);
      if (seen.length > MOST) seen = seen.sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, MOST);
      const width = track.clientWidth || 1;
      track.replaceChildren(...seen.map((segment) => this.segment(segment, from, span, width)));
    }
  }

  segment({ from, to, text, colour: fill }, start, span, width) {
    const left = Math.max(0, (from - start) / span), right = Math.min(1, (to - start) / span);
    const title = `${text}: ${clock(from)} to ${clock(to)}`;
    const style = { left: `${left * 100}%`, width: `${(right - left) * 100}%`, borderTopColor: fill ?? "transparent" };
    const element = make("button", { type: "button", class: fill ? "segment" : "segment quiet", style, title, textContent: (right - left) * width > 34 ? text : "", aria: { label: title } });
    element.addEventListener("click", () => this.select(from, to));
    return element;
  }
}

/** The lanes of the data's own row labels. */
export function lanesOf(segments, rate) {
  return Object.entries(segments).map(([name, runs]) => {
    const names = [...new Set(runs.map((run) => run[2]))].sort();
    return { name, segments: runs.map(([start, stop, text]) => ({ from: start / rate, to: stop / rate, text, colour: labelColour(names, text) })) };
  });
}

/** The lane of the user's labels. */
export const ownLane = (labels) => ({
  name: "yours",
  segments: labels.map((label) => ({ from: label.start_s, to: label.end_s, text: label.label, colour: colour(1) })),
});
