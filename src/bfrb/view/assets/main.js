// The page: what is open, the list, the recording, the keys.

import { ask, place } from "./api.js";
import { $, complain, pause } from "./dom.js";
import { List } from "./list.js";
import { toggleTheme } from "./palette.js";
import { Stage } from "./stage.js";

const stage = new Stage();
const list = new List((number) => stage.open(list.collection, number, state.bundle?.state === "ready" ? state.bundle : null));
let state = { recordings: null, bundle: null };

async function refresh() {
  state = await ask("/api/state");
  describeSource();
  describeBundle();
}

function describeSource() {
  const found = state.recordings;
  const texts = {
    reading: () => `${found.name}: reading ${Math.round(found.share * 100)} % … large sources are first put in a temporary store`,
    failed: () => `${found.name}: cannot be read`,
    ready: () => `${found.name} · ${found.recordings.toLocaleString("en")} recordings · ${found.device} `,
  };
  $("source").textContent = texts[found.state]();
  $("source-simulated").hidden = !found.simulated;
  $("source").title = found.description ?? "";
}

function describeBundle() {
  const { bundle } = state;
  const texts = { reading: "loading", failed: "cannot be loaded", ready: `${bundle?.members} networks` };
  $("bundle").textContent = bundle ? `bundle ${bundle.name} · ${texts[bundle.state]}` : "";
  $("bundle-simulated").hidden = !bundle?.simulated;
}

/** Until everything is read, look again; then once more when it is known which sensors are missing. */
async function start() {
  await refresh();
  while (state.recordings.state === "reading") {
    await pause(300);
    await refresh();
  }
  if (state.recordings.state === "failed") return complain(state.recordings, state.recordings.name);
  await list.open(state.recordings);
  await followBundle();
  if (place.recording !== null && Number(place.recording) < state.recordings.recordings) list.go(Number(place.recording));
  while (!state.recordings.complete) {
    await pause(1500);
    await refresh();
    await list.open(state.recordings);
  }
}

async function followBundle() {
  while (state.bundle?.state === "reading") {
    await pause(200);
    await refresh();
  }
  if (state.bundle?.state === "failed") complain(state.bundle, state.bundle.name);
}

const shown = (action) => () => stage.described && !$("stage").hidden && action();
const KEYS = {
  " ": shown(() => stage.toggle()),
  ArrowRight: shown(() => stage.step(1)),
  ArrowLeft: shown(() => stage.step(-1)),
  "Shift+ArrowRight": shown(() => stage.pan(stage.span / 10)),
  "Shift+ArrowLeft": shown(() => stage.pan(-stage.span / 10)),
  "+": shown(() => stage.zoom(0.5)),
  "=": shown(() => stage.zoom(0.5)),
  "-": shown(() => stage.zoom(2)),
  0: shown(() => stage.zoom(Infinity)),
  "[": shown(() => stage.select(stage.cursor, stage.selection?.[1] ?? stage.whole)),
  "]": shown(() => stage.select(stage.selection?.[0] ?? 0, stage.cursor)),
  z: shown(() => stage.selection && stage.show(...stage.selection)),
  l: shown(() => $("label-text").focus()),
  Escape: shown(() => stage.select(null)),
  "/": () => $("text").focus(),
};

function listen() {
  addEventListener("keydown", (event) => {
    if ($("help").open) return; // the dialog has keys of its own
    const typing = event.target.closest("input, select, textarea") !== null;
    const pressing = event.key === " " && event.target.closest("button, a, label") !== null;
    if (event.ctrlKey || event.metaKey || event.altKey || pressing || (typing && event.key !== "Escape")) return;
    const action = KEYS[(event.shiftKey && event.key.startsWith("Arrow") ? "Shift+" : "") + event.key];
    if (!action) return;
    event.preventDefault();
    if (typing) event.target.blur();
    action();
  });
  const clicks = {
    play: () => stage.toggle(),
    "zoom-in": () => stage.zoom(0.5),
    "zoom-out": () => stage.zoom(2),
    "zoom-all": () => stage.zoom(Infinity),
    "zoom-selection": () => stage.selection && stage.show(...stage.selection),
    theme: toggleTheme,
    "help-open": () => $("help").showModal(),
  };
  for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
  $("label-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("label-text").value.trim();
    if (!text || !stage.selection) return;
    stage.labels.add(...stage.selection.map((value) => Math.round(value * 1000) / 1000), text).then(() => { $("label-text").value = ""; });
  });
}

listen();
start().catch((error) => complain(error));
