// Questions to the server, and the arrays it sends.

const hash = new URLSearchParams(location.hash.slice(1));
const token = hash.get("token") ?? "";

/** A request that the server refused, with what the user can do about it. */
export class Refused extends Error {
  constructor(answer) {
    super(answer.problem);
    this.problem = answer.problem;
    this.remedy = answer.remedy;
  }
}

/** Values of the address beside the token. */
export const place = { recording: hash.get("r"), from: hash.get("from"), to: hash.get("to") };

/** Write what is looked at into the address, so that loading the page again shows it again. */
export function remember(values) {
  const known = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  history.replaceState(null, "", "#" + new URLSearchParams([["token", token], ...known]));
}

async function send(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { "x-bfrb-token": token, ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ problem: "The viewer does not answer any more.", remedy: "start it again: bfrb view" });
  }
  if (!answer.ok) throw new Refused(await answer.json());
  return answer;
}

export const ask = async (path, options) => (await send(path, options)).json();

export const askArrays = async (path, options) => unpack(await (await send(path, options)).arrayBuffer());

export const tell = (method, path, values) =>
  ask(path, { method, body: JSON.stringify(values), headers: { "content-type": "application/json" } });

const TYPES = { float32: Float32Array, int16: Int16Array };

/** Values and typed arrays of one message (see packing.py). */
export function unpack(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const arrays = {};
  for (const { name, dtype, shape, offset } of header.arrays) {
    const length = shape.reduce((product, axis) => product * axis, 1);
    arrays[name] = { shape, data: new TYPES[dtype](buffer, 4 + size + offset, length) };
  }
  return { ...header, arrays };
}
