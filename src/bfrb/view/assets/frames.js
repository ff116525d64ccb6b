// Readings row by row, fetched in pieces around the cursor; a few pieces are kept.

import { askArrays } from "./api.js";

const PIECE = 256, KEPT = 12;

export class Frames {
  constructor(base, rows) {
    this.base = base;
    this.rows = rows;
    this.pieces = new Map();
  }

  /** Readings of a row by sensor, or null if they are on their way; then `arrived` is called. */
  at(row, arrived) {
    const piece = Math.floor(row / PIECE);
    const found = this.load(piece, arrived);
    if (row % PIECE > PIECE / 2 && (piece + 1) * PIECE < this.rows) this.load(piece + 1, () => {});
    if (!found?.arrays) return null;
    const frame = {};
    for (const [name, { shape, data }] of Object.entries(found.arrays)) {
      const size = data.length / shape[0], start = (row - found.start) * size;
      frame[name] = data.subarray(start, start + size);
    }
    return frame;
  }

  load(piece, arrived) {
    if (!this.pieces.has(piece)) {
      this.pieces.set(piece, {});
      askArrays(`${this.base}/frames?start=${piece * PIECE}&stop=${(piece + 1) * PIECE}`)
        .then((answer) => { this.pieces.set(piece, answer); arrived(); })
        .catch(() => this.pieces.delete(piece));
      if (this.pieces.size > KEPT) this.pieces.delete(this.pieces.keys().next().value);
    }
    return this.pieces.get(piece);
  }
}
