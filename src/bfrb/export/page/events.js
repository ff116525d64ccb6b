// The event rule, window by window: the same as `stream.events` of the package and `event_rule.c`.

export class EventDecider {
  /** @param {object} rule of `events` in the description @param {boolean[]} isTarget of every class */
  constructor(rule, isTarget) {
    this.spec = rule.spec;
    this.knots = [rule.isotonic_from, rule.isotonic_to];
    this.targets = isTarget.flatMap((target, index) => (target ? [index] : []));
    this.weight = this.spec.smoothing_s === 0 ? 1 : -Math.expm1(-this.spec.step_s / this.spec.smoothing_s);
    this.smooth = this.run = this.event = null;
    this.lastEnd = -Infinity;
  }

  /** One more window; the events that are complete with it. `smooth` is then the smoothed probability of any target. */
  push({ middle_s: middle, known_s: known, after_gap: afterGap, probabilities }) {
    const { step_s: step, off, merge_s: merge, minimum_s: minimum } = this.spec;
    const start = middle - step / 2, end = middle + step / 2, events = afterGap ? this.finish() : [];
    const claimed = this.targets.reduce((sum, index) => sum + probabilities[index], 0);
    const target = this.calibrate(claimed), scale = claimed > 0 ? target / claimed : 0;
    this.smooth = this.smooth === null ? target : this.smooth + this.weight * (target - this.smooth);
    if (this.smooth < off) {
      this.endRun();
      if (this.event && end - this.event.end > merge) events.push(...this.close());
      return events;
    }
    if (!this.run && this.event && start - this.event.end > merge) events.push(...this.close());
    this.run = joined(this.run, { start, end, peak: this.smooth, mass: this.targets.map((index) => probabilities[index] * scale), known: null });
    const whole = this.inTheMaking();
    if (whole && whole.known === null && whole.end - whole.start >= minimum) this.run.known = known;
    return events;
  }

  /** The event that was still going on, at a gap or at the end. */
  finish() {
    this.endRun();
    this.smooth = null;
    return this.close();
  }

  /** The event that is known to be going on; its end is that so far. */
  get ongoing() {
    return this.reported(this.inTheMaking());
  }

  calibrate(claimed) {
    const [from, to] = this.knots, last = from.length - 1;
    if (last < 0) return claimed;
    if (claimed <= from[0]) return to[0];
    if (claimed >= from[last]) return to[last];
    const k = from.findLastIndex((knot) => claimed >= knot);
    return ((to[k + 1] - to[k]) / (from[k + 1] - from[k])) * (claimed - from[k]) + to[k];
  }

  inTheMaking() {
    return this.run && this.run.peak >= this.spec.on ? joined(this.event, this.run) : this.event;
  }

  endRun() {
    this.event = this.inTheMaking();
    this.run = null;
  }

  close() {
    const event = this.reported(this.event);
    this.event = null;
    if (!event) return [];
    this.lastEnd = event.end_s;
    return [event];
  }

  reported(span) {
    if (!span || span.known === null) return null;
    const pause = span.start - this.lastEnd;
    if (pause >= 0 && pause < this.spec.refractory_s) return null;
    const best = this.targets[span.mass.indexOf(Math.max(...span.mass))];
    return { start_s: span.start, end_s: span.end, target: best, confidence: span.peak, known_s: span.known };
  }
}

function joined(span, later) {
  if (!span) return { ...later };
  return { start: span.start, end: later.end, peak: Math.max(span.peak, later.peak), mass: span.mass.map((value, index) => value + later.mass[index]), known: span.known ?? later.known };
}
