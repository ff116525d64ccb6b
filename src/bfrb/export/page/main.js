// The page: what it is given, how the work goes on, and what is wrong.

import { $, make } from "./dom.js";
import { toggleTheme } from "./palette.js";
import { Results } from "./show.js";

const { about } = MODEL, UART = { service: "6e400001-b5a3-f393-e0a9-e50e24dcca9e", sends: "6e400003-b5a3-f393-e0a9-e50e24dcca9e" };
const results = new Results(about);
let given = [], disconnect = null, ready = false, waiting = null;

/** The runtime's module as a plain script: a worker of a page on a disk may load no modules. */
function plainScript(text) {
  const named = (names) => names.split(",").map((pair) => pair.split(" as ").reverse().join(":")).join(",");
  return `(() => {${text.replaceAll("import.meta.url", "self.location.href").replace(/export\{(.*?)\};/, (_, names) => `self.ort={${named(names)}};`)}\n})();\n`;
}

const worker = new Worker(URL.createObjectURL(new Blob([plainScript(RUNTIME.script), WORKER], { type: "text/javascript" })));
worker.postMessage({ do: "load", model: MODEL, wasm: RUNTIME.wasm });
worker.addEventListener("error", () => refuse({ problem: "this browser cannot run the detector", remedy: "use a browser of 2023 or later: Chrome, Edge, Firefox or Safari" }));
worker.addEventListener("message", ({ data }) => ACTIONS[data.kind](data));

const ACTIONS = {
  ready() {
    ready = true;
    $("serial").disabled = $("bluetooth").disabled = false;
    say(`Ready after ${(performance.now() / 1000).toFixed(1)} s.`);
    if (waiting) waiting();
  },
  progress({ share, text }) {
    $("progress").value = share;
    $("progress-text").textContent = `${Math.round(share * 100)} % · ${text}`;
  },
  done({ recordings, seconds, stopped, skipped, title }) {
    busy(false);
    results.show(recordings);
    const events = recordings.reduce((sum, one) => sum + one.events.length, 0), long = recordings.some((one) => one.long);
    const what = `${recordings.length} recording${recordings.length === 1 ? "" : "s"}${long ? `, ${events} event${events === 1 ? "" : "s"}` : recordings.length === 1 ? `: ${results.verdict(recordings[0])}` : ""}`;
    say(`${stopped ? "Stopped. " : ""}${what}, in ${seconds.toFixed(1)} s.${skipped ? ` ${skipped} lines could not be read and were left out.` : ""} Read as: ${title}.`);
    $("results").focus({ preventScroll: true });
    $("results").scrollIntoView({ block: "start", behavior: "auto" });
  },
  live(told) {
    say(told.over ? "The device has ended." : "", results.follow(told));
    if (told.over) busy(false);
  },
  failed({ problem, remedy, anyway }) {
    busy(false);
    disconnect?.();
    say("");
    refuse({ problem, remedy }, anyway);
  },
};

/** Say how things are; only what changed, so that a screen reader says it once. */
function say(...parts) {
  const text = parts.filter(Boolean).join(" ");
  if ($("status").textContent !== text) $("status").textContent = text;
}

function refuse({ problem, remedy }, anyway) {
  const box = make("div", { class: "message", role: "alert" }, make("p", {}, make("strong", { textContent: problem }), make("br"), `To do: ${remedy}.`));
  if (anyway) box.append(make("button", { type: "button", textContent: "Answer all the same", on: { click: () => read(given, true) } }));
  box.append(make("button", { type: "button", textContent: "Dismiss", on: { click: () => box.remove() } }));
  $("messages").replaceChildren(box);
}

function busy(is, stop = "Stop") {
  $("work").hidden = !is;
  $("stop").textContent = stop;
  $("progress").hidden = $("progress-text").hidden = stop !== "Stop";
  for (const id of ["file", "serial", "bluetooth"]) $(id).disabled = is;
  document.querySelector('label[for="file"]').classList.toggle("off", is);
  if (is) $("messages").replaceChildren();
}

const chosen = () => ({
  layout: $("layout").value || null,
  wrist: $("wrist").value || null,
  left: { left: true, right: false }[$("hand").value],
  along: $("along").value,
});

function whenReady(action) {
  waiting = action;
  if (ready) action();
  else say("The detector is being loaded; the work begins at once after.");
}

function read(files, anyway = false) {
  if (!files.length || $("file").disabled) return;
  given = [...files];
  busy(true);
  $("results").hidden = true;
  ACTIONS.progress({ share: 0, text: given.map(({ name }) => name).join(", ") });
  whenReady(() => {
    waiting = null;
    say("Reading and answering.");
    worker.postMessage({ do: "read", files: given, options: { ...chosen(), anyway } });
  });
}

/** Follow a device: `open` gives what ends it, and hands bytes over as they come. */
async function connect(open) {
  if (disconnect) return;
  const layout = about.layouts.find(({ name }) => name === ($("layout").value || "samples"));
  if (layout.asks && !$("wrist").value) { refuse({ problem: `${layout.title}: on which wrist it is worn is not known`, remedy: "say so above, and connect again" }); return; }
  $("results").hidden = true;
  try {
    const send = (bytes) => worker.postMessage({ do: "bytes", bytes });
    let end = () => {};
    disconnect = () => { disconnect = null; end(); worker.postMessage({ do: "bytes", over: true }); };
    worker.postMessage({ do: "live", ...chosen(), stamp: $("stamp").checked });
    end = await open(send, () => disconnect?.());
    busy(true, "Disconnect");
    say("Waiting for the first readings.");
  } catch (error) {
    disconnect = null;
    busy(false);
    if (error.name !== "NotFoundError") refuse({ problem: `the device could not be opened: ${error.message}`, remedy: "plug it in, close other programs that use it, and try again" });
  }
}

async function openSerial(send, over) {
  const port = await navigator.serial.requestPort();
  await port.open({ baudRate: Number($("baud").value) });
  const reader = port.readable.getReader();
  const follow = async () => {
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) send(part.value);
    } catch (error) {
      refuse({ problem: `the device is gone: ${error.message}`, remedy: "plug it in, and connect again" });
    }
    reader.releaseLock();
    await port.close().catch(() => {});
    over();
  };
  follow();
  return () => reader.cancel().catch(() => {});
}

async function openBluetooth(send, over) {
  const device = await navigator.bluetooth.requestDevice({ filters: [{ services: [UART.service] }] });
  const server = await device.gatt.connect();
  const sends = await (await server.getPrimaryService(UART.service)).getCharacteristic(UART.sends);
  sends.addEventListener("characteristicvaluechanged", ({ target: { value } }) => send(new Uint8Array(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength))));
  device.addEventListener("gattserverdisconnected", over);
  await sends.startNotifications();
  return () => device.gatt.disconnect();
}

const option = (value, textContent) => make("option", { value, textContent });
about.seconds = about.max_length / about.row_rate_hz;
$("layout").append(...about.layouts.map(({ name, title }) => option(name, title)));
$("hand-box").hidden = !about.inputs.left_handed;
$("simulated").hidden = !about.simulated;
$("model").textContent = `${about.output.classes.length} classes, of which ${about.output.targets.length} are looked for · ${about.device}, ${Number(about.row_rate_hz.toPrecision(4))} rows a second`;
$("targets").textContent = about.output.targets.join(", ");
$("windows").textContent = `Windows of ${about.windows.length_s} s, one every ${about.events.spec.step_s} s; an event begins at ${about.events.spec.on} and ends below ${about.events.spec.off}.`;
$("serial").hidden = $("serial-options").hidden = !("serial" in navigator);
$("bluetooth").hidden = !("bluetooth" in navigator);
$("no-devices").hidden = !($("serial").hidden && $("bluetooth").hidden);
$("theme").addEventListener("click", toggleTheme);
$("file").addEventListener("change", () => { read($("file").files); $("file").value = ""; });
$("stop").addEventListener("click", () => (disconnect ? disconnect() : worker.postMessage({ do: "stop" })));
$("serial").addEventListener("click", () => connect(openSerial));
$("bluetooth").addEventListener("click", () => connect(openBluetooth));
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") read(event.dataTransfer.files);
  });
}
say("The detector is being loaded.");
