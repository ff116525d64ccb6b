// The whole recording in one strip, with the part that is shown; dragging moves it.

import { clock } from "./dom.js";
import { colour, css, onTheme } from "./palette.js";
import { GUTTER, MARGIN } from "./plots.js";

export class Overview {
  /** @param {HTMLElement} box @param {(middle: number) => void} move is told where the shown part shall be */
  constructor(box, move) {
    this.box = box;
    this.canvas = box.appendChild(document.createElement("canvas"));
    this.data = null;
    this.range = [0, 1];
    this.whole = 1;
    this.cursor = 0;
    this.marks = [];
    const drag = (event) => move(((event.clientX - this.canvas.getBoundingClientRect().left) / this.canvas.clientWidth) * this.whole);
    this.canvas.addEventListener("pointerdown", (event) => { this.canvas.setPointerCapture(event.pointerId); drag(event); });
    this.canvas.addEventListener("pointermove", (event) => event.buttons && drag(event));
    new ResizeObserver(() => this.draw()).observe(box);
    onTheme(() => this.draw());
    box.style.paddingLeft = `${GUTTER}px`;
    box.style.paddingRight = `${MARGIN}px`;
  }

  draw() {
    const ratio = devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const ink = this.canvas.getContext("2d");
    ink.scale(ratio, ratio);
    const x = (seconds) => (seconds / this.whole) * width;
    for (const { from, to, colour: fill } of this.marks) {
      ink.globalAlpha = 0.55;
      ink.fillStyle = fill;
      ink.fillRect(x(from), height - 5, Math.max(1, x(to) - x(from)), 5);
    }
    ink.globalAlpha = 1;
    if (this.data) this.trace(ink, x, height - 7);
    ink.fillStyle = css("--veil");
    ink.fillRect(0, 0, x(this.range[0]), height);
    ink.fillRect(x(this.range[1]), 0, width, height);
    ink.strokeStyle = css("--accent");
    ink.lineWidth = 2;
    ink.strokeRect(x(this.range[0]) + 1, 1, Math.max(2, x(this.range[1]) - x(this.range[0]) - 2), height - 2);
    ink.fillStyle = css("--ink");
    ink.fillRect(x(this.cursor) - 0.5, 0, 1.5, height);
    this.tell();
  }

  trace(ink, x, height) {
    const [times, ...channels] = this.data;
    const finite = channels.flatMap((channel) => Array.from(channel).filter(Number.isFinite));
    const low = finite.reduce((a, b) => Math.min(a, b), Infinity), high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
    ink.globalAlpha = 0.75;
    channels.forEach((channel, index) => {
      ink.strokeStyle = colour(index);
      ink.beginPath();
      let drawing = false;
      channel.forEach((value, at) => {
        const y = 2 + (1 - (value - low) / (high - low || 1)) * (height - 4);
        if (Number.isFinite(value)) ink[drawing ? "lineTo" : "moveTo"](x(times[at]), y);
        drawing = Number.isFinite(value);
      });
      ink.stroke();
    });
    ink.globalAlpha = 1;
  }

  tell() {
    const text = `${clock(this.range[0])} to ${clock(this.range[1])} of ${clock(this.whole)}`;
    this.box.setAttribute("aria-valuetext", text);
    this.box.setAttribute("aria-valuemax", this.whole);
    this.box.setAttribute("aria-valuenow", (this.range[0] + this.range[1]) / 2);
  }
}
