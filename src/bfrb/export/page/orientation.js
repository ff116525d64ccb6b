// An orientation of gyroscope and accelerometer, as `read.orientation` makes it: the filter VQF without a magnetometer
// (Laidig and Seel 2023, doi:10.1016/j.inffus.2022.10.014), in steps of about 10 ms.

const STEP_S = 0.01, SHORTEST_S = 0.005, GAP_S = 1, DEGREE = Math.PI / 180;
const TAU_ACC_S = 3, TAU_REST_S = 0.5, REST_S = 1.5, REST_GYR = 2 * DEGREE, REST_ACC = 0.5, CLIP = 2 * DEGREE;
const START_P = 50 ** 2, NOISE_V = 10 ** 2 * (STEP_S / 100);
const weightOf = (sigma) => (100 * sigma) ** 4 / NOISE_V + (100 * sigma) ** 2;
const MOTION_W = weightOf(0.1), REST_W = weightOf(0.03), VERTICAL_W = MOTION_W / 1e-4;

/** A second-order Butterworth filter of vectors, which begins with the mean of the first `tau` seconds. */
class LowPass {
  constructor(size, tau) {
    const c = Math.tan((Math.SQRT2 / (2 * tau)) * STEP_S), d = c * c + Math.SQRT2 * c + 1;
    this.b = (c * c) / d;
    this.a = [(2 * (c * c - 1)) / d, (1 - Math.SQRT2 * c + c * c) / d];
    this.least = tau;
    this.count = 0;
    this.sums = new Array(size).fill(0);
    this.state = null;
  }

  push(values) {
    const { b, a, state } = this, found = new Array(values.length);
    if (!state) return this.mean(values);
    for (let at = 0; at < found.length; at += 1) {
      const x = values[at], y = b * x + state[2 * at];
      state[2 * at] = 2 * b * x - a[0] * y + state[2 * at + 1];
      state[2 * at + 1] = b * x - a[1] * y;
      found[at] = y;
    }
    return found;
  }

  mean(values) {
    this.count += 1;
    this.sums = this.sums.map((sum, at) => sum + values[at]);
    const mean = this.sums.map((sum) => sum / this.count);
    if (this.count * STEP_S >= this.least) this.state = Float64Array.from(mean.flatMap((value) => [value * (1 - this.b), value * (this.b - this.a[1])]));
    return mean;
  }
}

/** The filter itself: steps of `STEP_S` with (3,) rad/s and (3,) m/s^2. */
class Filter {
  constructor() {
    this.turned = this.levelled = [1, 0, 0, 0];
    this.bias = [0, 0, 0];
    this.spread = [[START_P, 0, 0], [0, START_P, 0], [0, 0, START_P]];
    this.rest = 0;
    this.resting = false;
    [this.restGyr, this.restAcc] = [new LowPass(3, TAU_REST_S), new LowPass(3, TAU_REST_S)];
    [this.lowAcc, this.lowTurn, this.lowBias] = [new LowPass(3, TAU_ACC_S), new LowPass(9, TAU_ACC_S), new LowPass(2, TAU_ACC_S)];
  }

  step(gyr, acc) {
    const calm = this.restGyr.push(gyr);
    if (squares(minus(gyr, calm)) >= REST_GYR ** 2 || Math.max(...calm.map(Math.abs)) > CLIP) this.stir();
    const rate = minus(gyr, this.bias), size = Math.sqrt(squares(rate)), half = (size * STEP_S) / 2;
    if (size > Number.EPSILON) this.turned = unit(times(this.turned, [Math.cos(half), ...rate.map((value) => (value * Math.sin(half)) / size)]));
    if (acc.every((value) => value === 0)) return;
    if (squares(minus(acc, this.restAcc.push(acc))) >= REST_ACC ** 2) this.stir();
    else {
      this.rest += STEP_S;
      this.resting ||= this.rest >= REST_S;
    }
    const up = unit(turn(this.levelled, this.lowAcc.push(turn(this.turned, acc))));
    const w = Math.sqrt((up[2] + 1) / 2);
    this.levelled = unit(times(w > 1e-6 ? [w, (0.5 * up[1]) / w, (-0.5 * up[0]) / w, 0] : [0, 1, 0, 0], this.levelled));
    this.learnBias(up, calm);
  }

  stir() {
    this.rest = 0;
    this.resting = false;
  }

  get orientation() {
    return times(this.levelled, this.turned);
  }

  /** A Kalman filter of the gyroscope's bias: measured at rest, and in motion by what the correction of the tilt says. */
  learnBias(up, calm) {
    const now = matrixOf(this.orientation), [x, y] = now.map((row) => inner(row, this.bias));
    const flat = this.lowTurn.push(now.flat()), [lowX, lowY] = this.lowBias.push([x, y]);
    const smooth = [flat.slice(0, 3), flat.slice(3, 6), flat.slice(6)], told = smooth.map((row) => inner(row, this.bias));
    const seen = this.resting ? [[1, 0, 0], [0, 1, 0], [0, 0, 1]] : smooth;
    const weights = this.resting ? [REST_W, REST_W, REST_W] : [MOTION_W, MOTION_W, VERTICAL_W];
    const error = this.resting ? minus(calm, this.bias) : [-up[1] / STEP_S + lowX - told[0], up[0] / STEP_S + lowY - told[1], -told[2]];
    for (const at of [0, 1, 2]) if (this.spread[at][at] < START_P) this.spread[at][at] += NOISE_V;
    const across = product(this.spread, transposed(seen)), inside = product(seen, across);
    const gain = product(across, inverse(inside.map((row, i) => row.map((value, j) => value + (i === j ? weights[i] : 0)))));
    const change = gain.map((row) => inner(row, error.map(clipped)));
    this.bias = this.bias.map((value, at) => clipped(value + change[at]));
    const less = product(product(gain, seen), this.spread);
    this.spread = this.spread.map((row, i) => row.map((value, j) => value - less[i][j]));
  }
}

/** Samples in the order of time in, an orientation for each out. */
export class Orientation {
  constructor() {
    this.latest = NaN;
  }

  /** (w, x, y, z) of a sample at a time, of m/s^2 and deg/s; null if it comes too soon after another, or lacks a part. */
  push(time, acc, gyr) {
    const sample = { time, acc: [...acc], gyr: Array.from(gyr, (value) => value * DEGREE) };
    if ([...sample.acc, ...sample.gyr].some(Number.isNaN)) return null;
    if (!(time - this.latest >= 0 && time - this.latest <= GAP_S)) {
      this.filter = new Filter();
      this.beginning = time;
      this.slot = -1;
      this.last = { ...sample, time: time - STEP_S };
    }
    this.latest = time;
    const slot = Math.floor((time - this.beginning) / SHORTEST_S), used = slot > this.slot;
    this.slot = slot;
    if (!used) return null;
    const { last } = this, seconds = time - last.time, steps = Math.max(1, roundEven(seconds / STEP_S));
    for (let part = 0; part < steps; part += 1) {
      const rates = between(last.gyr, sample.gyr, (part + 0.5) / steps).map((value) => value * (seconds / (steps * STEP_S)));
      this.filter.step(rates, between(last.acc, sample.acc, (part + 1) / steps));
    }
    this.last = sample;
    return Float32Array.from(this.filter.orientation);
  }
}

const between = (one, other, share) => one.map((value, at) => value * (1 - share) + other[at] * share);
const inner = (one, other) => one[0] * other[0] + one[1] * other[1] + one[2] * other[2];
const squares = (vector) => inner(vector, vector);
const minus = (one, other) => one.map((value, at) => value - other[at]);
const clipped = (value) => Math.min(CLIP, Math.max(-CLIP, value));
const transposed = (matrix) => matrix[0].map((_, at) => matrix.map((row) => row[at]));
const product = (one, other) => one.map((row) => [0, 1, 2].map((at) => row[0] * other[0][at] + row[1] * other[1][at] + row[2] * other[2][at]));
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const inverse = ([a, b, c]) => {
  const whole = inner(a, cross(b, c));
  return transposed([cross(b, c), cross(c, a), cross(a, b)].map((row) => row.map((value) => value / whole)));
};
const unit = (vector) => vector.map((value) => value / Math.sqrt(vector.reduce((sum, part) => sum + part * part, 0)));
const times = ([a, b, c, d], [w, x, y, z]) => [a * w - b * x - c * y - d * z, a * x + b * w + c * z - d * y, a * y - b * z + c * w + d * x, a * z + b * y - c * x + d * w];
const turn = (q, vector) => matrixOf(q).map((row) => inner(row, vector));
const matrixOf = ([w, x, y, z]) => [
  [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
  [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
  [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
];

function roundEven(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}
