// The page: what is open, the list, the recording, the keys.

import { ask, place, remember } from "./api.js";
import { $, complain, make, pause } from "./dom.js";
import { acceptFiles } from "./drop.js";
import { List } from "./list.js";
import { Live } from "./live.js";
import { toggleTheme } from "./palette.js";
import { Stage } from "./stage.js";

const stage = new Stage();
const live = new Live();
const list = new List((number) => stage.open(list.collection, number, state.bundle?.state === "ready" ? state.bundle : null));
let state = { collections: [], bundle: null, live: null };

async function refresh() {
  state = await ask("/api/state");
  const select = $("collection"), kept = select.value;
  select.replaceChildren(...state.collections.map((found) => make("option", { value: found.number, textContent: found.name })));
  if (kept) select.value = kept;
  select.closest("label").hidden = state.collections.length < 2;
  describeSource();
  describeBundle();
  $("live-open").hidden = !state.live;
}

function describeSource() {
  const shown = list.collection?.number ?? 0;
  const found = state.collections.find(({ number }) => number === shown);
  const texts = {
    reading: () => `${found.name}: reading ${Math.round(found.share * 100)} % … large sources are first put in a temporary store`,
    failed: () => `${found.name}: cannot be read`,
    ready: () => `${found.name} · ${found.recordings.toLocaleString("en")} recordings · ${found.device} `,
  };
  $("source").textContent = found ? texts[found.state]() : "no recordings open";
  $("source-simulated").hidden = !found?.simulated;
  $("source").title = found?.description ?? "";
}

function describeBundle() {
  const { bundle } = state;
  const texts = { reading: "loading", failed: "cannot be loaded", ready: `${bundle?.members} networks` };
  $("bundle").textContent = bundle ? `bundle ${bundle.name} · ${texts[bundle.state]}` : "";
  $("bundle-simulated").hidden = !bundle?.simulated;
}

/** Open a collection in the list; false while it is being read. */
async function openCollection(number) {
  const found = state.collections.find((other) => other.number === number);
  if (found?.state === "failed") complain(found, found.name);
  if (found?.state !== "ready") return false;
  $("collection").value = number;
  await list.open(found);
  describeSource();
  return true;
}

/** Until everything is read, look again; then once more when it is known which sensors are missing. */
async function start() {
  await refresh();
  if (state.live && place.recording === null) openLive().catch(complain);
  const first = state.collections[0];
  if (!first) return state.live ? null : followBundle();
  const wanted = Number(place.collection ?? 0);
  while (!(await openCollection(state.collections.some(({ number }) => number === wanted) ? wanted : 0))) {
    if (state.collections[0].state === "failed") return;
    await pause(300);
    await refresh();
  }
  await followBundle();
  if (place.recording !== null && Number(place.recording) < list.collection.recordings) list.go(Number(place.recording));
  while (state.collections.some((found) => found.complete === false)) {
    await pause(1500);
    await refresh();
    const found = state.collections.find(({ number }) => number === list.collection.number);
    if (found) await list.open(found);
  }
}

/** The live stream; the bundle has to be there first. */
async function openLive() {
  await followBundle();
  if (state.bundle?.state === "ready") await live.open(state.bundle);
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
  " ": () => ($("live").hidden ? shown(() => stage.toggle())() : live.hold(!live.paused)),
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
    "live-open": () => openLive().catch(complain),
    "help-open": () => $("help").showModal(),
  };
  for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
  $("collection").addEventListener("change", (event) => openCollection(Number(event.target.value)));
  $("label-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("label-text").value.trim();
    if (!text || !stage.selection) return;
    stage.labels.add(...stage.selection.map((value) => Math.round(value * 1000) / 1000), text).then(() => { $("label-text").value = ""; });
  });
  acceptFiles(async (number) => { await refresh(); await openCollection(number); remember({ c: number }); }, (index) => list.go(index), () => state.largest_upload);
}

listen();
start().catch((error) => complain(error));
