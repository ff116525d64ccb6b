// From samples as they come to windows: the resampler and the window buffer of the package's `stream`.

import { OpenRows } from "./rows.js";
import { Orientation } from "./orientation.js";

const PLAUSIBLE = [3, 30], SLOWEST = 0.9;

/** Takes samples, gives rows to `buffer`; what becomes of them is counted. */
export class Resampler {
  constructor(about, buffer, counts) {
    Object.assign(this, { about, buffer, counts, latest: -Infinity, strangers: [], rate: about.row_rate_hz, recorded: false });
    this.orientation = about.orients ? new Orientation() : null;
    this.begin();
  }

  begin() {
    this.open = new OpenRows(this.about.sensors, this.about.how);
    this.sensed = new Map();
    this.sensedBefore = this.origin = NaN;
    this.done = 0;
    this.waiting = [];
  }

  push(time, readings) {
    this.counts.samples += 1;
    if (!Number.isFinite(time)) { this.counts.without_time += 1; return; }
    const measured = Object.fromEntries(Object.entries(readings).filter(([, values]) => !values.every(Number.isNaN)));
    if (!Object.keys(measured).length) { this.counts.without_reading += 1; return; }
    const { reorder_s: reorder, gap_s: gap } = this.about.clock;
    if (this.latest === -Infinity) this.latest = time;
    if (time >= this.latest - reorder && time <= this.latest + gap) this.accept({ time, readings: measured });
    else this.misfit({ time, readings: measured });
  }

  accept(sample) {
    const { reorder_s: reorder } = this.about.clock;
    this.forget();
    if (sample.time < this.latest) this.counts.out_of_order += 1;
    this.latest = Math.max(this.latest, sample.time);
    if (Number.isNaN(this.origin)) this.origin = sample.time;
    if (this.orientation) this.orient(sample, this.latest - reorder);
    else this.add(sample);
    this.give(this.place(this.latest - reorder)[0]);
  }

  /** Samples in the order of time, once no earlier one can come any more, with an orientation where none is sent. */
  orient(sample, settled) {
    if (sample) this.waiting.splice(this.waiting.findLastIndex(({ time }) => time <= sample.time) + 1, 0, sample);
    while (this.waiting.length && this.waiting[0].time <= settled) {
      const { time, readings } = this.waiting.shift(), { acc, gyr } = readings;
      this.recorded ||= Boolean(readings.quaternion);
      if (!this.recorded && acc && gyr) {
        const made = this.orientation.push(time, acc, gyr);
        if (made) { readings.quaternion = made; this.counts.oriented += 1; }
      }
      this.add({ time, readings });
    }
  }

  add({ time, readings }) {
    const [row, distance] = this.place(time);
    if (row < this.done) { this.counts.too_late += 1; return; }
    this.open.add(row, distance, readings);
    if (!readings.acc) return;
    const [earliest, latest] = this.sensed.get(row) ?? [Infinity, -Infinity];
    this.sensed.set(row, [Math.min(earliest, time), Math.max(latest, time)]);
  }

  /** A sample that does not fit the clock: dropped, kept in mind, or the beginning of another clock. */
  misfit(sample) {
    const { reorder_s: reorder, reset_s: reset, gap_s: gap, patience } = this.about.clock;
    if (this.latest - reset <= sample.time && sample.time < this.latest) { this.counts.too_late += 1; return; }
    const newest = this.strangers.reduce((time, known) => Math.max(time, known.time), -Infinity);
    if (!(newest - reorder <= sample.time && sample.time <= newest + gap)) this.forget();
    this.strangers.push(sample);
    if (this.strangers.length < patience) return;
    const strangers = this.strangers.splice(0);
    this.end();
    this.counts[strangers[0].time > this.latest ? "gaps" : "clock_resets"] += 1;
    this.latest = strangers[0].time;
    strangers.forEach((known) => this.accept(known));
  }

  forget() {
    this.counts.wrong_time += this.strangers.length;
    this.strangers = [];
  }

  end() {
    if (this.orientation) this.orient(null, Infinity);
    if (!Number.isNaN(this.origin)) this.give(this.place(this.latest)[0] + 1);
    this.begin();
  }

  finish() {
    this.forget();
    this.end();
    this.latest = -Infinity;
  }

  /** Rows into which no sample can fall any more. */
  give(stop) {
    for (; this.done < stop; this.done += 1) {
      this.counts.rows += 1;
      const [earliest, latest] = this.sensed.get(this.done) ?? [NaN, NaN];
      const interval = latest - (earliest < latest ? earliest : this.sensedBefore);
      if (!Number.isNaN(latest)) this.sensedBefore = latest;
      this.sensed.delete(this.done);
      this.buffer.push(this.origin, this.done, this.open.take(this.done), interval);
    }
  }

  place(time) {
    const offset = (time - this.origin) * this.rate, row = Math.floor(offset + 0.5);
    return [row, Math.abs(offset - row)];
  }
}

/** Takes rows, gives windows to `tell`: those that are long, complete and plausible enough to be answered. */
export class WindowBuffer {
  constructor(about, counts, tell, row = () => {}) {
    const { length, step, context } = about.cut;
    Object.assign(this, { counts, tell, row, length, step, context, rate: about.row_rate_hz, least: about.events.spec.min_measured, delay: about.clock.reorder_s });
  }

  push(origin, number, readings, interval) {
    this.row(origin + number / this.rate, readings, number === 0);
    if (number === 0) this.begin();
    if (this.between > 0) { this.between -= 1; return; }
    this.kept.push(readings);
    this.intervals.push(interval);
    this.weights.push(readings.acc ? Math.sqrt(readings.acc.reduce((sum, value) => sum + value * value, 0)) : NaN);
    if (this.kept.length < this.context + this.length) return;
    const first = this.next + this.context;
    if (this.isUsable()) {
      const window = { rows: this.kept.slice(), middle_s: origin + (first + this.length / 2) / this.rate, known_s: origin + (first + this.length) / this.rate + this.delay, after_gap: this.broken };
      this.counts.windows += 1;
      this.broken = false;
      this.tell(window);
    } else this.broken = true;
    this.next += this.step;
    this.between = Math.max(0, this.step - this.kept.length);
    this.kept.splice(0, this.step);
    this.intervals.splice(0, this.step);
    this.weights.splice(0, this.step);
  }

  /** Before the first row of a segment nothing was measured. */
  begin() {
    this.kept = Array.from({ length: this.context }, () => ({}));
    this.intervals = this.kept.map(() => NaN);
    this.weights = this.kept.map(() => NaN);
    this.next = -this.context;
    this.between = 0;
    this.broken = true;
  }

  isUsable() {
    const weights = this.weights.slice(this.context), median = lowerMedian(weights);
    const slow = lowerMedian(this.intervals.slice(this.context)) * this.rate * SLOWEST > 1 + 1e-9;
    const complete = weights.filter((value) => !Number.isNaN(value)).length > this.least * this.length;
    const plausible = median >= PLAUSIBLE[0] && median <= PLAUSIBLE[1];
    if (slow) this.counts.windows_too_slow += 1;
    else if (!complete) this.counts.windows_incomplete += 1;
    else if (!plausible) this.counts.windows_implausible += 1;
    return !slow && complete && plausible;
  }
}

function lowerMedian(values) {
  const known = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return known.length ? known[(known.length - 1) >> 1] : NaN;
}
