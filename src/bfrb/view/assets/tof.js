// Five time-of-flight images, placed as the sensors look: one straight out, four tilted to hand, thumb and back.

import { make } from "./dom.js";
import { cividis, css } from "./palette.js";

const FAR = 249, SIDE = 8, PIXELS = SIDE * SIDE, ABSENT = -32768;
const PLACES = { 1: "middle", 2: "top", 3: "thumb", 4: "bottom", 5: "other" };

export class Tof {
  /** @param {HTMLElement} box where they go */
  constructor(box) {
    this.sites = Object.entries(PLACES).map(([site, place]) => {
      const canvas = make("canvas", { width: SIDE, height: SIDE });
      const note = make("figcaption", {});
      box.append(make("figure", { class: place }, canvas, note));
      return { site, canvas, note };
    });
    const ramp = make("canvas", { width: 64, height: 1, class: "ramp" });
    const ink = ramp.getContext("2d");
    for (let x = 0; x < 64; x++) { ink.fillStyle = `rgb(${cividis(1 - x / 63).join(" ")})`; ink.fillRect(x, 0, 1, 1); }
    box.append(make("div", { class: "scale" }, "near", ramp, "far", make("i", { class: "none" }), "no echo"));
  }

  /** Show one row: `tof` (5, 64) and `thm` (5), or null. */
  show(tof, thm) {
    const none = css("--none").split(" ").map(Number);
    this.sites.forEach(({ site, canvas, note }, index) => {
      const pixels = tof?.subarray(index * PIXELS, (index + 1) * PIXELS);
      const measured = pixels !== undefined && pixels.some((value) => value !== ABSENT);
      canvas.classList.toggle("absent", !measured);
      paint(canvas, measured ? pixels : null, none);
      const warm = thm && Number.isFinite(thm[index]) ? `${thm[index].toFixed(1)} °C` : "–";
      note.textContent = `${site} · ${measured ? warm : warm === "–" ? "not measured" : warm}`;
    });
  }
}

function paint(canvas, pixels, none) {
  const ink = canvas.getContext("2d");
  const image = ink.createImageData(SIDE, SIDE);
  for (let index = 0; index < PIXELS; index++) {
    const value = pixels ? pixels[index] : ABSENT;
    const [red, green, blue] = value < 0 ? none : cividis(1 - value / FAR);
    image.data.set([red, green, blue, pixels ? 255 : 0], index * 4);
  }
  ink.putImageData(image, 0, 0);
}
