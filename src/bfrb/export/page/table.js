// Tables of text to samples in the wrist frame and in SI units, as a layout says; what is wrong is said with its line.

const SEPARATORS = [",", ";", "\t", "|", " "], MOST_LINES = 200, ABSENT = new Set(["nan", "na", "n/a", "null", "none", "<na>", "-"]), NORM_TOLERANCE = 0.01;

/** Something that a person can mend: what was expected, what came, what to do. */
export class Refusal extends Error {
  constructor(problem, remedy) {
    super(problem);
    this.remedy = remedy;
  }
}

/** The cells of a line. */
export function split(line, separator) {
  if (!line.includes('"')) return line.split(separator);
  const cells = [];
  let cell = "", quoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at];
    if (sign === '"' && quoted && line[at + 1] === '"') { cell += '"'; at += 1; }
    else if (sign === '"') quoted = !quoted;
    else if (sign === separator && !quoted) { cells.push(cell); cell = ""; }
    else cell += sign;
  }
  return [...cells, cell];
}

/** A number; NaN where a cell says that there is none, and null where it is something else. */
export function numberOf(cell, decimal = ".") {
  if (cell === undefined || cell === null || cell === "") return NaN;
  const value = Number(decimal === "," ? String(cell).replace(",", ".") : cell);
  if (value && typeof cell !== "boolean") return value;
  const text = String(cell).trim().toLowerCase();
  return text === "" || ABSENT.has(text) ? NaN : value === 0 && typeof cell !== "boolean" ? 0 : null;
}

/** Seconds of a text such as 2024-05-01T12:00:00.25+02:00; a clock that tells no zone is taken for that of UTC. */
export function secondsOf(text) {
  const found = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?$/.exec(String(text).trim());
  return found ? Date.parse(`${found[1]}T${found[2]}${found[4] ?? "Z"}`) / 1000 + Number(found[3] ?? 0) : NaN;
}

/** Signs and names of the columns that a text such as `gravityX + accelerationX` adds up. */
function termsOf(column, known) {
  if (known(column) || !/[+-]/.test(column)) return [[1, column]];
  return [...column.matchAll(/\s*([+-])?\s*([^+\-\s]+)/g)].map(([, sign, name]) => [sign === "-" ? -1 : 1, name]);
}

const holds = (names, columns) => columns.every((column) => termsOf(column, (name) => names.includes(name)).every(([, name]) => names.includes(name)));

/** Whether names are all that a layout cannot do without. */
function fits(layout, names) {
  if (layout.needed) return layout.needed.length > 0 && !layout.file.columns.length && holds(names, layout.needed);
  return Object.keys(layout.times).some((name) => names.includes(name)) && Object.values(layout.sensors).some(({ columns }) => holds(names, columns));
}

const cellsOf = (line, separator) => split(line, separator).map((cell) => cell.trim());

/** Where the names of a table are: its `layout`, `names`, `separator`, and the number of the first line of values. */
export function findTable(lines, layouts) {
  for (const layout of layouts) {
    const { columns = [], skip = 0, separator } = layout.file ?? {};
    if (columns.length && layouts.length === 1) {
      const guessed = separator ?? SEPARATORS.find((sign) => (lines[skip] ?? "").includes(sign)) ?? ",";
      const count = cellsOf(lines[skip] ?? "", guessed).length;
      if (count < columns.length) throw new Refusal(`expected ${columns.length} columns (${columns.join(", ")}), found ${count}`, "choose another way to read the file, or export it again");
      return { layout, names: [...columns, ...Array.from({ length: count - columns.length }, (_, more) => `column_${columns.length + more + 1}`)], separator: guessed, first: skip };
    }
    for (let at = skip; at < Math.min(lines.length, MOST_LINES); at += 1) {
      const found = (separator ? [separator] : SEPARATORS).find((sign) => fits(layout, cellsOf(lines[at], sign)));
      if (found) return { layout, names: cellsOf(lines[at], found), separator: found, first: at + 1 };
    }
  }
  const header = cellsOf(lines.find((line) => line.trim()) ?? "", SEPARATORS.find((sign) => (lines[0] ?? "").includes(sign)) ?? ",");
  const wanted = layouts.length === 1 && layouts[0].needed ? layouts[0].needed : Object.keys(layouts[0].times).slice(0, 1).concat(Object.values(layouts[0].sensors).flatMap(({ columns }) => columns).slice(0, 3));
  const lacking = wanted.filter((name) => !header.includes(name)).slice(0, 4);
  const shown = header.slice(0, 8).join(", ").slice(0, 200) || "nothing";
  const expected = layouts.length === 1 ? `the columns ${(lacking.length ? lacking : wanted.slice(0, 4)).join(", ")}` : `a table that this page knows, such as one with ${wanted.slice(0, 4).join(", ")}`;
  throw new Refusal(`expected ${expected}, found ${shown}${header.length > 8 ? " ..." : ""}`, "choose a file of this device, or say above what wrote it; other devices are described when the page is exported (--device)");
}

/** Makes samples of named values: from the cells of a file, or from what a device sends. */
export class Samples {
  /** @param {object} layout @param {?string} wrist @param {object} sensors those of the detector */
  constructor(layout, wrist, sensors) {
    this.layout = layout;
    this.sensors = Object.entries(layout.sensors).filter(([name]) => sensors[name]).map(([name, told]) => {
      const matrix = told.matrix?.[wrist] ?? told.matrix?.any;
      const columns = matrix ? Array.from(matrix[0], (_, to) => matrix.flatMap((row, from) => (row[to] ? [[from, row[to]]] : []))) : null;
      return { name, ...told, columns: told.columns, mix: columns, whole: sensors[name].no_response_code !== null, norm: sensors[name].unit_norm, pieces: sensors[name].pieces };
    });
  }

  /** Settle which of its columns a table with these names has. */
  bind(names) {
    const known = new Set(names);
    this.bound = this.sensors.flatMap((sensor) => {
      const terms = sensor.columns.map((column) => termsOf(column, (name) => known.has(name)));
      const lacking = terms.flat().filter(([, name]) => !known.has(name)).map(([, name]) => name);
      if (!lacking.length) return [{ ...sensor, terms: terms.map((parts) => parts.map(([sign, name]) => [sign, names.indexOf(name), name])) }];
      if (lacking.length < terms.flat().length) throw new Refusal(`the column ${lacking[0]} of ${sensor.name} is missing`, "a sensor needs all its columns, or none");
      return [];
    });
    if (!this.bound.length) throw new Refusal(`expected columns such as ${this.sensors[0].columns.slice(0, 3).join(", ")}, found ${names.slice(0, 8).join(", ")}`, "choose what wrote the file, or another file");
    this.time = Object.entries(this.layout.times).map(([name, unit]) => [names.indexOf(name), unit]).find(([at]) => at >= 0);
    return this;
  }

  /** Seconds of a line; NaN for what is no time. */
  timeOf(cells, decimal) {
    const [at, unit] = this.time;
    return unit === null ? secondsOf(cells[at]) : (numberOf(cells[at], decimal) ?? NaN) * unit;
  }

  /** Readings by sensor, in the wrist frame; what is impossible goes to `refuse(column, found, expected)`. */
  readingsOf(cells, decimal, refuse) {
    const found = {};
    for (const sensor of this.bound) {
      const raw = new Float64Array(sensor.terms.length);
      for (let channel = 0; channel < raw.length; channel += 1) {
        let sum = 0;
        for (const [sign, at, name] of sensor.terms[channel]) {
          const value = numberOf(cells[at], decimal);
          if (value === null) refuse(name, `"${String(cells[at]).slice(0, 30)}"`, "a number");
          sum += sign * (value ?? NaN);
        }
        if (sum < sensor.low || sum > sensor.high || (sensor.whole && !Number.isInteger(sum) && !Number.isNaN(sum))) {
          refuse(sensor.terms[channel][0][2], String(sum), `${sensor.name} between ${Number(sensor.low.toPrecision(4))} and ${Number(sensor.high.toPrecision(4))}${sensor.whole ? ", a whole number" : ""}`);
          sum = NaN;
        }
        raw[channel] = sum;
      }
      if (this.layout.file?.strict) this.refuseParts(sensor, raw, refuse);
      found[sensor.name] = this.mixed(sensor, raw, refuse);
    }
    return found;
  }

  /** Half a reading is damage. */
  refuseParts({ terms, name, pieces }, raw, refuse) {
    const size = raw.length / pieces;
    for (let piece = 0; piece < pieces; piece += 1) {
      const known = raw.subarray(piece * size, (piece + 1) * size).reduce((count, value) => count + (Number.isNaN(value) ? 0 : 1), 0);
      if (known && known < size) refuse(terms[piece * size][0][2], `${known}`, `all ${size} values of a reading of ${name}, or none`);
    }
  }

  mixed(sensor, raw, refuse) {
    if (sensor.norm) {
      const size = Math.hypot(...raw);
      if (Math.abs(size - 1) > NORM_TOLERANCE) refuse(sensor.terms[0][0][2], String(size), `${sensor.name} of size 1`);
      if (!(Math.abs(size - 1) <= NORM_TOLERANCE)) raw.fill(NaN);
    }
    if (!sensor.mix) return Float32Array.from(raw);
    return Float32Array.from(sensor.mix, (parts) => parts.reduce((sum, [from, factor]) => sum + raw[from] * factor, 0));
  }
}

/** Lines of text from bytes as they come; what has no end yet waits. */
export class Lines {
  constructor() {
    this.rest = "";
    this.decoder = new TextDecoder();
  }

  push(bytes) {
    const parts = (this.rest + this.decoder.decode(bytes, { stream: true })).split("\n");
    this.rest = parts.pop().slice(0, 1 << 19);
    return parts.map(clean);
  }

  finish() {
    const last = clean(this.rest);
    this.rest = "";
    return last ? [last] : [];
  }
}

const clean = (line) => (line.endsWith("\r") ? line.slice(0, -1) : line).replace(/^\ufeff/, "");

/** Reads a table line by line; `begin(recording)` and `sample(time, readings)` of a sink are told of what is in it. */
export class TableReader {
  constructor(table, samples, file, sink, people) {
    Object.assign(this, { table, file, sink, people });
    this.samples = samples.bind(table.names);
    this.decimal = table.layout.file?.decimal ?? ".";
    this.lenient = !table.layout.needed;
    this.line = table.first;
    this.skipped = 0;
    this.seen = new Set();
    const { recordings } = table.layout, at = (name) => table.names.indexOf(name);
    this.ids = (table.layout.ids ?? []).map(at).filter((place) => place >= 0);
    this.counter = recordings?.order ? at(recordings.order) : -1;
    this.name = null;
    this.unit = table.layout.file && !table.layout.file.strict ? 5 : 0;
  }

  refuse(problem, remedy) {
    throw new Refusal(`${this.file}, line ${this.line.toLocaleString("en")}: ${problem}`, remedy);
  }

  push(line) {
    this.line += 1;
    if (!line.trim()) return;
    const cells = split(line, this.table.separator);
    if (this.unit && this.isUnits(cells)) { this.unit -= 1; return; }
    this.unit = 0;
    if (cells.length !== this.table.names.length) {
      if (this.lenient) { this.skipped += 1; return; }
      this.refuse(`expected ${this.table.names.length} values, found ${cells.length}`, "the file is damaged there: copy or export it again");
    }
    this.turn(cells);
    const readings = this.samples.readingsOf(cells, this.decimal, (column, found, expected) => {
      if (!this.lenient) this.refuse(`column ${column}: expected ${expected}, found ${found}`, "repair the value or leave it empty; or say above what wrote the file: units differ");
    });
    this.sink.sample(this.time(cells), readings);
    this.count += 1;
  }

  /** Lines of units below the names. */
  isUnits(cells) {
    const wanted = this.samples.bound.flatMap(({ terms }) => terms.flat().map(([, at]) => (cells[at] ?? "").trim()));
    return !wanted.some((cell) => cell === "" || /^[+-]?[.,]?\d/.test(cell));
  }

  /** Begin another recording, if the line is of one. */
  turn(cells) {
    const name = this.ids.map((place) => cells[place].trim()).join("\n");
    if (name !== this.name) {
      if (this.seen.has(name)) this.refuse(`more rows of ${name} after other recordings`, "sort the rows, so that those of a recording stand together");
      this.seen.add(name);
      this.name = name;
      this.count = 0;
      this.latest = -Infinity;
      this.sink.begin(this.recording(cells));
    }
    if (this.counter >= 0 && Number(cells[this.counter]) !== this.count) this.refuse(`expected a ${this.table.layout.recordings.order} that counts 0, 1, 2, ... in every recording, found ${cells[this.counter]} instead of ${this.count}`, "rows are missing, doubled or out of order: sort them, or remove the recording");
  }

  recording(cells) {
    const file = this.file.replace(/\.\w+$/, ""), { names, layout } = this.table;
    const fill = (text) => text.replace(/\{(\w+)\}/g, (_, name) => (names.includes(name) ? cells[names.indexOf(name)].trim() : name === "folder" ? "" : ["path", "file"].includes(name) ? file : ""));
    const subject = layout.recordings ? fill(layout.recordings.subject) : file;
    return { id: layout.recordings ? fill(layout.recordings.id) : file, subject, left: this.people.get(subject) };
  }

  time(cells) {
    const { steady, rate_hz: rate, back_s: back } = this.table.layout.time ?? {};
    if (!this.samples.time) return this.count / (rate ?? this.refuse("neither times nor a rate are known", "describe the device with rate_hz, and export the page again"));
    const time = this.samples.timeOf(cells, this.decimal);
    if (this.lenient || steady) return time;
    if (Number.isNaN(time)) this.refuse(`expected a time, found "${cells[this.samples.time[0]]}"`, "fill it, or remove the line");
    if (this.latest - time > back) this.refuse(`a time that is ${(this.latest - time).toFixed(3)} s earlier than one before it`, "sort the file by time");
    this.latest = Math.max(this.latest, time);
    return this.latest;
  }
}

/** Who is left-handed, by subject, of a table with the columns subject and handedness (1 right, 0 left); null if it is none. */
export function readPeople(lines) {
  const names = cellsOf(lines[0] ?? "", ",");
  const [subject, hand] = ["subject", "handedness"].map((name) => names.indexOf(name));
  if (subject < 0 || hand < 0 || names.includes("sequence_id")) return null;
  const rows = lines.slice(1).filter((line) => line.trim()).map((line) => cellsOf(line, ","));
  return new Map(rows.map((cells) => [cells[subject], cells[hand] === "" ? undefined : Number(cells[hand]) === 0]));
}
