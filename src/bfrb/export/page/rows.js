// Rows at the detector's rate, of samples at any: the nearest of those that fall into a row, or their mean.

/** Rows that more samples may fall into. */
export class OpenRows {
  /** @param {object} sensors those of the detector @param {string} how "mean" or "nearest" */
  constructor(sensors, how) {
    this.sensors = Object.entries(sensors).map(([name, { columns, no_response_code: code, unit_norm: norm }]) => ({ name, size: columns.length, mean: how === "mean" && code === null, norm }));
    this.rows = new Map();
  }

  /** A sample; of a sensor that measured nothing in it, `readings` holds nothing. */
  add(row, distance, readings) {
    if (!this.rows.has(row)) this.rows.set(row, {});
    const held = this.rows.get(row);
    for (const { name, size, mean, norm } of this.sensors) {
      const values = readings[name];
      if (!values) continue;
      if (!mean) {
        if (!(held[name]?.distance <= distance)) held[name] = { distance, values };
        continue;
      }
      held[name] ??= { sums: new Float64Array(size), counts: new Uint32Array(size), first: values };
      const sign = norm && dot(values, held[name].first) < 0 ? -1 : 1;
      values.forEach((value, channel) => {
        if (Number.isNaN(value)) return;
        held[name].sums[channel] += sign * value;
        held[name].counts[channel] += 1;
      });
    }
  }

  /** The readings of a row, which is closed now; a sensor that measured nothing has none. */
  take(row) {
    const held = this.rows.get(row) ?? {};
    this.rows.delete(row);
    return Object.fromEntries(this.sensors.filter(({ name }) => held[name]).map(({ name, norm }) => {
      const { values, sums, counts } = held[name];
      if (values) return [name, values];
      const mean = sums.map((sum, channel) => (counts[channel] ? sum / counts[channel] : NaN));
      const size = norm && counts[0] > 1 ? Math.sqrt(dot(mean, mean)) : 1;
      return [name, Float32Array.from(mean, (value) => value / size)];
    }));
  }
}

const dot = (one, other) => one.reduce((sum, value, index) => sum + value * other[index], 0);

/** Makes rows of the samples of a file, in the order of time: row k stands k / rate after the first. */
export class RowMaker {
  constructor(about, steady, tell) {
    Object.assign(this, { about, steady, tell, open: new OpenRows(about.sensors, about.how), origin: NaN, row: 0, steps: [] });
  }

  push(time, readings) {
    if (this.steady) { this.tell(readings); return; }
    if (Number.isNaN(this.origin)) this.origin = this.before = time;
    if (time > this.before && this.steps.length < 1e5) this.steps.push(time - this.before);
    this.before = time;
    const place = (time - this.origin) * this.about.row_rate_hz, row = Math.floor(place + 0.5);
    while (this.row < row) this.close();
    const whole = Object.entries(readings).filter(([, values]) => !values.some(Number.isNaN));
    this.open.add(row, Math.abs(place - row), Object.fromEntries(whole));
    this.some = true;
  }

  close() {
    this.tell(this.open.take(this.row));
    this.row += 1;
  }

  /** The last row; and the samples a second, as most of them came. */
  finish() {
    if (this.some) this.close();
    const steps = this.steps.sort((a, b) => a - b), half = steps.length >> 1;
    return steps.length ? 2 / (steps[half] + steps[(steps.length - 1) >> 1]) : NaN;
  }
}

/** The same orientation in the form whose first part that is not 0 is positive. */
export function withOneSign(quaternion) {
  const first = quaternion.find((value) => value !== 0);
  return first < 0 ? quaternion.map((value) => 0 - value) : quaternion.map((value) => value + 0);
}
