// The user's labels: every change is on the disk before the page says so.

import { ask, tell } from "./api.js";
import { $, complain, make } from "./dom.js";

export class Labels {
  /** @param {() => void} changed @param {(from: number, to: number) => void} select */
  constructor(changed, select) {
    this.changed = changed;
    this.select = select;
    this.recording = null;
    this.all = [];
  }

  /** Show the labels of a recording. */
  async open(recording, names) {
    this.recording = recording;
    this.all = [];
    $("label-names").replaceChildren(...names.map((value) => make("option", { value })));
    $("saved").textContent = "";
    try {
      const answer = await ask(`/api/labels?recording=${encodeURIComponent(recording)}`);
      if (this.recording !== recording) return;
      this.file = answer.file;
      this.all = answer.labels;
    } catch (error) {
      complain(error, "Labels");
    }
    this.draw();
  }

  async add(start_s, end_s, label) {
    await this.save(() => tell("POST", "/api/labels", { recording: this.recording, start_s, end_s, label, note: "" }), (made) => this.all.push(made));
  }

  async change(label, values) {
    await this.save(() => tell("PUT", `/api/labels/${label.key}`, { ...label, ...values }), (made) => Object.assign(label, made));
  }

  async remove(label) {
    await this.save(() => ask(`/api/labels/${label.key}`, { method: "DELETE" }), () => { this.all = this.all.filter((other) => other !== label); });
  }

  async save(send, then) {
    $("saved").textContent = "Saving …";
    try {
      then(await send());
      $("saved").textContent = `Saved in ${this.file} at ${new Date().toLocaleTimeString()}.`;
    } catch (error) {
      $("saved").textContent = "Not saved.";
      complain(error, "The label was not saved");
    }
    this.draw();
  }

  draw() {
    this.all.sort((a, b) => a.start_s - b.start_s);
    $("label-file").textContent = `in ${this.file ?? ""}, beside the data`;
    $("label-hint").textContent = this.all.length ? "" : "Drag over the traces to select a stretch, name it above, press Enter. Every change is saved at once.";
    $("label-table").hidden = !this.all.length;
    const focus = focused();
    $("label-table").tBodies[0].replaceChildren(...this.all.map((label) => this.row(label)));
    focus?.();
    this.changed();
  }

  row(label) {
    const number = (name) => make("input", { type: "number", step: "0.1", min: "0", value: label[name], aria: { label: name === "start_s" ? "from, in seconds" : "to, in seconds" }, on: { change: (event) => this.change(label, { [name]: event.target.valueAsNumber }) } });
    const text = (name, list) => make("input", { type: "text", maxLength: 200, value: label[name], list, aria: { label: name }, on: { change: (event) => this.change(label, { [name]: event.target.value }) } });
    const button = (textContent, click) => make("button", { type: "button", textContent, aria: { label: `${textContent} ${label.label}` }, on: { click } });
    const actions = make("td", {}, button("Show", () => this.select(label.start_s, label.end_s)), button("Delete", () => this.remove(label)));
    return make("tr", { data: { key: label.key } }, ...[number("start_s"), number("end_s"), text("label", "label-names"), text("note")].map((input) => make("td", {}, input)), actions);
  }
}

/** A function that gives the focus back to the same field of the same label once the table is made anew. */
function focused() {
  const row = document.activeElement?.closest("#label-table tr[data-key]");
  if (!row) return null;
  const index = [...row.querySelectorAll("input, button")].indexOf(document.activeElement);
  return () => document.querySelector(`#label-table tr[data-key="${CSS.escape(row.dataset.key)}"]`)?.querySelectorAll("input, button")[index]?.focus();
}
