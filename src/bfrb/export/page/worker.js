// The work of the page, beside it, so that it stays alive: reads, cuts, asks the graph, decides. Nothing is fetched.

import { EventDecider } from "./events.js";
import { Orientation } from "./orientation.js";
import { RowMaker, withOneSign } from "./rows.js";
import { Resampler, WindowBuffer } from "./stream.js";
import { findTable, Lines, readPeople, Refusal, Samples, TableReader } from "./table.js";

const ALONG_S = 60, BATCH = 32, HEAD_LINES = 200, GRAVITY = [6.5, 14], LEAST_ROWS = 20, UPWARDS = 0.6, SLOW = 0.9, LIVE_ROWS_S = 600;
const SHOWN = ["acc", "gyr", "quaternion", "thm"];
const COUNTS = ["samples", "without_time", "without_reading", "impossible", "too_late", "wrong_time", "out_of_order", "oriented", "gaps", "clock_resets", "rows", "windows", "windows_incomplete", "windows_implausible", "windows_too_slow", "windows_doubtful"];

let about, session, stopped = false, live = null;
const breathe = () => new Promise((resolve) => setTimeout(resolve));
const noCounts = () => Object.fromEntries(COUNTS.map((name) => [name, 0]));

/** The bytes of a packed text. */
async function unpack(text) {
  const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}

async function load({ model, wasm }) {
  about = model.about;
  about.isTarget = about.output.classes.map((name) => about.output.targets.includes(name));
  const [binary, graph] = await Promise.all([unpack(wasm), unpack(model.graph)]);
  Object.assign(ort.env.wasm, { wasmBinary: binary, numThreads: 1, proxy: false });
  ort.env.logLevel = "error";
  // Optimising takes longer here than it saves in an hour of recordings.
  session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"], graphOptimizationLevel: "disabled" });
  await answer([{ rows: [{}, {}] }]);
}

/** Probabilities of every class for recordings: their rows, and whether they are of left-handed people. */
async function answer(recordings) {
  const longest = Math.max(...recordings.map(({ rows }) => rows.length)), feeds = {};
  for (const [name, { channels }] of Object.entries(about.inputs)) {
    if (!channels) continue;
    const size = channels.length, values = new Float32Array(recordings.length * longest * size).fill(NaN), norm = about.sensors[name].unit_norm;
    recordings.forEach(({ rows }, number) => rows.forEach((row, at) => row[name] && values.set(norm ? withOneSign(row[name]) : row[name], (number * longest + at) * size)));
    feeds[name] = new ort.Tensor("float32", values, [recordings.length, longest, size]);
  }
  feeds.lengths = new ort.Tensor("int64", BigInt64Array.from(recordings, ({ rows }) => BigInt(rows.length)), [recordings.length]);
  if (about.inputs.left_handed) feeds.left_handed = new ort.Tensor("bool", Uint8Array.from(recordings, ({ left }) => (left ? 1 : 0)), [recordings.length]);
  const { data, dims } = (await session.run(feeds))[about.output.name];
  return recordings.map((_, number) => data.slice(number * dims[1], (number + 1) * dims[1]));
}

/** Sensors that every network needs and some rows lack; none if one network can do without. */
function lacking(rows) {
  const measured = new Set(rows.flatMap((row) => Object.keys(row).filter((name) => row[name] && !row[name].every(Number.isNaN))));
  const able = about.requires.some((names) => names.every((name) => measured.has(name)));
  return able ? null : [...about.requires].sort((a, b) => a.length - b.length)[0].filter((name) => !measured.has(name)).join(" and ");
}

/** One recording, from its samples to what is found in it. */
class Recording {
  /** @param {object} facts `id`, `subject`, `left` @param {object} options of the page @param {Samples} samples */
  constructor(facts, { along }, samples) {
    Object.assign(this, facts, { along, rows: [], times: [], waiting: [], counts: noCounts(), windows: [], events: [], lacking: null, begins: [] });
    const { layout } = samples;
    this.direct = !layout.needed;
    this.decider = new EventDecider(about.events, about.isTarget);
    this.buffer = new WindowBuffer(about, this.counts, (window) => this.waiting.push(window), (time, readings, begins) => this.direct && this.keep(time, readings, begins));
    this.resampler = new Resampler(about, this.buffer, this.counts);
    this.maker = new RowMaker(about, layout.time?.steady, (readings) => this.fromFile(readings));
    const bound = new Set(samples.bound?.map(({ name }) => name));
    this.orientation = !this.direct && !layout.time?.steady && about.makes && bound.has("acc") && bound.has("gyr") && !bound.has("quaternion") ? new Orientation() : null;
  }

  sample(time, readings) {
    if (this.direct) { this.resampler.push(time, readings); return; }
    if (this.orientation) readings.quaternion = this.orientation.push(time, readings.acc, readings.gyr) ?? new Float32Array(4).fill(NaN);
    this.maker.push(time, readings);
  }

  fromFile(readings) {
    const time = this.rows.length / about.row_rate_hz;
    this.keep(time, readings, this.rows.length === 0);
    if (this.along !== "once") this.resampler.push(time, readings);
  }

  keep(time, readings, begins) {
    if (begins) this.begins.push(this.rows.length);
    this.rows.push(readings);
    this.times.push(time);
  }

  get seconds() {
    return this.rows.length ? this.times.at(-1) - this.times[0] + 1 / about.row_rate_hz : 0;
  }

  get isLong() {
    return this.along === "along" || (this.along === "auto" && this.seconds > ALONG_S);
  }

  /** Answer the windows that wait; with `last` all, else whole batches. */
  async work(last, least = BATCH) {
    while (this.isLong && !stopped && (this.waiting.length >= least || (last && this.waiting.length))) {
      const some = this.waiting.splice(0, BATCH);
      const found = await answer(some.map(({ rows }) => ({ rows, left: this.left })));
      some.forEach((window, number) => this.decide({ ...window, probabilities: found[number] }));
      await breathe();
    }
  }

  decide(window) {
    const lacks = lacking(window.rows);
    if (lacks) { this.counts.windows_doubtful += 1; this.lacking = lacks; }
    this.events.push(...this.decider.push(window));
    this.windows.push({ ...window, rows: null, smooth: this.decider.smooth });
  }

  async finish(file) {
    const rate = this.maker.finish();
    if (!this.direct && !this.maker.steady && rate < SLOW * about.row_rate_hz) throw new Refusal(`${file}: ${this.id} has ${rate.toPrecision(4)} samples a second, and the detector needs ${about.row_rate_hz}`, "record at that rate or faster: what was not measured is not invented");
    this.resampler.finish();
    await this.work(true);
    if (this.isLong) this.events.push(...this.decider.finish());
    else if (this.rows.length) {
      [this.probabilities] = await answer([this]);
      this.lacking = lacking(this.rows);
    }
    this.shown = this.told();
    const made = this.orientation || this.counts.oriented;
    this.rows = this.rows.map(({ acc, quaternion }) => ({ acc, quaternion: made ? null : quaternion }));
    return this;
  }

  /** What the page shows, in arrays. */
  told() {
    const { id, subject, left, counts, events, times, windows, probabilities } = this;
    const panels = SHOWN.filter((name) => this.rows.some((row) => row[name])).map((name) => {
      const { columns, unit } = about.sensors[name];
      return { name, unit, channels: columns, data: columns.map((_, channel) => Float32Array.from(this.rows, (row) => row[name]?.[channel] ?? NaN)) };
    });
    return { id, subject, left, counts, events, times, begins: this.begins, windows, probabilities, panels: [...panels, ...this.images()], seconds: this.seconds, long: this.isLong, lacking: this.lacking };
  }

  /** Of images the mean of the pixels that saw something, one after the other. */
  images() {
    return Object.entries(about.sensors).filter(([name, { whole, no_response_code: code }]) => code !== null && this.rows.some((row) => row[name])).map(([name, { pieces, unit }]) => {
      const mean = (values, piece) => {
        const seen = values ? [...values.subarray((piece * values.length) / pieces, ((piece + 1) * values.length) / pieces)].filter((value) => value >= 0) : [];
        return seen.length ? seen.reduce((sum, value) => sum + value, 0) / seen.length : NaN;
      };
      const channels = Array.from({ length: pieces }, (_, piece) => `${name}_${piece + 1}`);
      return { name, unit: `mean ${unit}`, channels, data: channels.map((_, piece) => Float32Array.from(this.rows, (row) => mean(row[name], piece))) };
    });
  }
}

/** Says what cannot be a wrist: gravity of another size, or one that does not point up. */
function suspicion(recordings) {
  const rows = recordings.flatMap((one) => one.rows).filter(({ acc }) => acc && !acc.some(Number.isNaN));
  if (rows.length < LEAST_ROWS) return null;
  const sizes = rows.map(({ acc }) => Math.hypot(...acc)).sort((a, b) => a - b), size = sizes[sizes.length >> 1];
  if (size < GRAVITY[0] || size > GRAVITY[1]) return new Refusal(`expected accelerations of about 9.81 m/s², as of an arm at rest, found ${size.toPrecision(3)} (median)`, size < 2 ? "these may be in g: say above what wrote the file" : "the unit may be another: say above what wrote the file");
  const oriented = rows.filter(({ quaternion: q }) => q && !q.some(Number.isNaN)), sum = (values) => values.reduce((total, value) => total + value, 0);
  const up = sum(oriented.map(({ acc: [x, y, z], quaternion: [w, a, b, c] }) => 2 * (a * c - w * b) * x + 2 * (b * c + w * a) * y + (w * w - a * a - b * b + c * c) * z)) / sum(oriented.map(({ acc }) => Math.hypot(...acc)));
  return oriented.length >= LEAST_ROWS && up < UPWARDS ? new Refusal(`turned into the world by the orientation, gravity should point up; it does so with ${up.toFixed(2)} of its size`, "sign or axes of the accelerometer, or the order of the quaternion, are others: say above what wrote the file") : null;
}

function refuseWhatIsNoText(name, bytes) {
  const begins = (...codes) => codes.every((code, at) => bytes[at] === code);
  const what = begins(80, 65, 82, 49) ? "a Parquet file" : begins(31, 139) || begins(80, 75) ? "a compressed file" : bytes.subarray(0, 4096).includes(0) ? "binary data" : null;
  if (what) throw new Refusal(`${name}: expected a table of text, found ${what}`, "save or unpack it as CSV");
  if (!bytes.length) throw new Refusal(`${name}: the file is empty`, "copy it again");
}

/** Read one file; tells of every recording in it. */
async function read(file, options, people, base, total) {
  const lines = new Lines(), reader = file.stream().getReader(), done = [];
  let head = [], table = null, recording = null, first = true, seen = 0;
  const turn = async () => recording && done.push(await recording.finish(file.name));
  const begun = [];
  const begin = () => {
    const layouts = options.layout ? about.layouts.filter(({ name }) => name === options.layout) : about.layouts;
    const found = findTable(head, layouts);
    if (found.layout.asks && !options.wrist) throw new Refusal(`${found.layout.title}: on which wrist it was worn is not known`, "say so above, and choose the file again");
    const samples = new Samples(found.layout, options.wrist, about.sensors);
    const sink = {
      begin: (facts) => begun.push({ recording: new Recording({ ...facts, left: options.left ?? facts.left }, options, samples), samples: [] }),
      sample: (time, readings) => begun.at(-1).samples.push([time, readings]),
    };
    table = new TableReader(found, samples, file.name, sink, people);
    head.slice(found.first).forEach((line) => table.push(line));
    head = [];
  };
  for (;;) {
    const { done: over, value } = await reader.read();
    if (first) refuseWhatIsNoText(file.name, value ?? new Uint8Array());
    first = false;
    const some = over ? lines.finish() : lines.push(value);
    seen += value?.length ?? 0;
    if (table) some.forEach((line) => table.push(line));
    else if (head.push(...some) >= HEAD_LINES || over) begin();
    for (const part of begun.splice(0)) {
      if (part.recording !== recording) { await turn(); recording = part.recording; }
      part.samples.forEach(([time, readings]) => recording.sample(time, readings));
      await recording.work(false);
      if (stopped) return done;
    }
    if (recording && !over) begun.push({ recording, samples: [] });
    postMessage({ kind: "progress", share: (base + seen) / total, text: `${file.name}: ${recording ? recording.id : ""}` });
    await breathe();
    if (over || stopped) break;
  }
  await turn();
  if (!done.length) throw new Refusal(`${file.name}: holds no rows`, "check that the file is complete");
  done.layout = table.table.layout;
  done.skipped = table.skipped;
  return done;
}

async function readAll({ files, options }) {
  stopped = false;
  const total = files.reduce((sum, { size }) => sum + size, 0), started = performance.now();
  let people = new Map(), base = 0;
  const tables = [], recordings = [], titles = new Set();
  let skipped = 0;
  for (const file of files) {
    const begin = (await file.slice(0, 1 << 16).text()).split("\n").map((line) => line.replace(/\r$/, ""));
    const found = readPeople(begin);
    if (found) people = new Map([...people, ...readPeople((await file.text()).split(/\r?\n/))]);
    else tables.push(file);
  }
  if (!tables.length) throw new Refusal("expected recordings, found a table of people only", "choose the file with the recordings as well");
  for (const file of tables) {
    const found = await read(file, options, people, base, total);
    base += file.size;
    skipped += found.skipped ?? 0;
    titles.add(found.layout?.title);
    recordings.push(...found);
    if (stopped) break;
  }
  if (!stopped && !options.anyway) refuse(recordings);
  postMessage({ kind: "done", recordings: recordings.map(({ shown }) => shown), seconds: (performance.now() - started) / 1000, stopped, skipped, title: [...titles].filter(Boolean).join(", ") });
}

function refuse(recordings) {
  const doubt = suspicion(recordings), anyway = (error) => Object.assign(error, { anyway: true });
  if (doubt) throw anyway(doubt);
  const longs = recordings.filter(({ isLong }) => isLong), total = (name) => longs.reduce((sum, { counts }) => sum + counts[name], 0);
  const lacks = recordings.filter((one) => (one.isLong ? 2 * one.counts.windows_doubtful > one.counts.windows : one.lacking));
  if (2 * lacks.length > recordings.length) throw anyway(new Refusal(`no network of the detector can do without ${lacks[0].lacking}, which ${lacks.length} of ${recordings.length} recordings lack`, "use a detector that was trained to do without"));
  if (longs.length === recordings.length && !total("windows")) {
    const why = total("windows_implausible") || total("impossible") > total("samples") / 2 ? "accelerations are not in m/s^2" : total("windows_too_slow") > total("windows_incomplete") ? "samples come more slowly than the rows that the detector was trained on" : "no stretch of the samples is as long and as complete as a window";
    throw new Refusal(`nothing could be answered: ${why}`, "say what wrote the file, or choose another one");
  }
}

/** Lines as a device sends them, made into samples: what `stream.lines` of the package reads. */
class LineReader {
  constructor(layout, wrist) {
    this.samples = new Samples(layout, wrist, about.sensors);
    this.header = layout.file?.columns?.length ? layout.file.columns : null;
    this.bound = new Map();
    this.readings = new Set(this.samples.sensors.flatMap(({ columns }) => columns.flatMap((column) => [column, ...column.split(/\s[+-]\s/)])));
  }

  /** The samples of a line: times, or NaN where it has none, and readings. */
  read(line) {
    const text = line.trim();
    if (!text) return [];
    if (text[0] === "{" || text[0] === "[") {
      let found;
      try {
        found = JSON.parse(text);
      } catch {
        throw new Refusal(`expected JSON, got ${text.slice(0, 60)}`, "send one object a line");
      }
      return [found].flat().flatMap((values) => this.expanded(values)).map((values) => this.sample(Object.keys(values), Object.values(values)));
    }
    const cells = text.split(",").map((cell) => cell.trim());
    if (cells.some((cell) => this.readings.has(cell))) {
      this.bind(cells);
      this.header = cells;
      return [];
    }
    if (!this.header) throw new Refusal(`expected JSON, or a header with columns such as ${[...this.readings][0]}, got ${text.slice(0, 60)}`, "send the names of the columns first");
    if (cells.length !== this.header.length) throw new Refusal(`expected ${this.header.length} values as in the header, got ${text.slice(0, 60)}`, "send whole lines");
    return [this.sample(this.header, cells)];
  }

  /** Sensors that stand under their own names, of one sample or of several, as columns. */
  expanded(values) {
    if (values === null || typeof values !== "object") throw new Refusal(`expected an object, got ${values}`, "send one object a line");
    const lists = this.samples.sensors.filter(({ name, mix }) => !mix && Array.isArray(values[name]));
    if (!lists.length) return [values];
    const flat = (list) => list.flat(Infinity), count = Math.max(...lists.map(({ name, columns }) => flat(values[name]).length / columns.length));
    return Array.from({ length: count }, (_, at) => {
      const one = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Array.isArray(value) ? value[at] : value]));
      for (const { name, columns } of lists) {
        const all = flat(values[name]);
        if (all.length !== count * columns.length) throw new Refusal(`expected ${columns.length} values of ${name}, got ${all.length}`, "send every channel, null where nothing was measured");
        columns.forEach((column, channel) => { one[column] = all[at * columns.length + channel]; });
        delete one[name];
      }
      return one;
    });
  }

  bind(names) {
    const key = names.join("\n");
    if (!this.bound.has(key)) this.bound.set(key, Object.assign(Object.create(Samples.prototype), this.samples).bind(names));
    return this.bound.get(key);
  }

  sample(names, cells) {
    const bound = this.bind(names);
    let impossible = false;
    const readings = bound.readingsOf(cells, ".", (column, found, expected) => {
      if (expected === "a number") throw new Refusal(`expected a number of ${column}, got ${found}`, "send numbers or null");
      impossible = true;
    });
    return { time: bound.time ? bound.timeOf(cells, ".") : NaN, timed: Boolean(bound.time), readings, impossible };
  }
}

/** A device that sends: lines come in, what is new goes out. */
class Live {
  constructor({ layout: name, wrist, left, stamp }) {
    const layout = about.layouts.find((one) => one.name === (name || "samples"));
    Object.assign(this, { stamp, lines: new Lines(), reader: new LineReader(layout, wrist), untimed: 0, refused: 0, last: "", busy: Promise.resolve() });
    const plain = about.layouts.find((one) => one.name === "samples");
    this.recording = new Recording({ id: "live", subject: "wearer", left }, { along: "along" }, { layout: plain });
  }

  push(bytes, over) {
    const arrival = (performance.timeOrigin + performance.now()) / 1000, { recording } = this;
    for (const line of over ? this.lines.finish() : this.lines.push(bytes)) {
      try {
        for (const { time, timed, readings, impossible } of this.reader.read(line)) {
          if (impossible) recording.counts.impossible += 1;
          recording.sample(this.stamp ? arrival : timed ? time : this.untimed++ / about.row_rate_hz, readings);
        }
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.refused += 1;
        this.last = error.message;
      }
    }
    if (over) recording.resampler.finish();
    this.busy = this.busy.then(() => this.tell(over));
    return this.busy;
  }

  async tell(over) {
    const { recording } = this, most = LIVE_ROWS_S * about.row_rate_hz;
    await recording.work(true, 1);
    if (over) recording.events.push(...recording.decider.finish());
    const old = recording.rows.length > 2 * most ? recording.rows.length - most : 0;
    for (const list of [recording.rows, recording.times]) list.splice(0, old);
    recording.begins = recording.begins.map((at) => at - old).filter((at) => at >= 0);
    if (recording.windows.length > 2 * LIVE_ROWS_S) recording.windows.splice(0, recording.windows.length - LIVE_ROWS_S);
    const now = performance.now();
    if (!over && now - (this.told ?? 0) < 250) return;
    this.told = now;
    postMessage({ kind: "live", over, recording: recording.told(), ongoing: recording.decider.ongoing, refused: this.refused, last: this.last });
  }
}

const HANDLERS = {
  load,
  read: readAll,
  stop: () => { stopped = true; },
  live: (options) => { stopped = false; live = null; live = new Live(options); },
  bytes: ({ bytes, over }) => live?.push(bytes, over),
};

self.onmessage = async ({ data }) => {
  try {
    await HANDLERS[data.do](data);
    if (data.do === "load") postMessage({ kind: "ready" });
  } catch (error) {
    postMessage({ kind: "failed", about: data.do, problem: error.message, anyway: error.anyway, remedy: error.remedy ?? "report this with the name of the browser" });
  }
};
