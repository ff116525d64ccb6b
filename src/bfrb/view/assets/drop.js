// Files dropped on the page: sent to the server on this machine, checked, and predicted.

import { ask } from "./api.js";
import { $, complain, make, present } from "./dom.js";

/**
 * Take files that are dropped or chosen: `opened` is told the number of the new collection, `choose` a row of it;
 * `limit()` is the largest size in bytes.
 */
export function acceptFiles(opened, choose, limit) {
  const take = ([file]) => {
    if (file?.size > limit()) complain({ problem: `larger than ${limit() >> 20} MB`, remedy: "start with: bfrb view FILE" }, file.name);
    else if (file) send(file, opened, choose);
  };
  $("file").addEventListener("change", (event) => { take([...event.target.files]); event.target.value = ""; });
  let depth = 0;
  const hint = (change) => { depth = Math.max(0, depth + change); $("drop-hint").hidden = depth === 0; };
  addEventListener("dragenter", (event) => { event.preventDefault(); hint(1); });
  addEventListener("dragleave", () => hint(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => { event.preventDefault(); depth = 0; hint(0); take([...event.dataTransfer.files]); });
}

async function send(file, opened, choose) {
  const box = $("dropped");
  $("messages").replaceChildren();
  present("dropped");
  box.replaceChildren(make("h2", { textContent: file.name }), make("p", { role: "status", textContent: "Checking and predicting …" }));
  try {
    const found = await ask(`/api/uploads?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } });
    await opened(found.collection);
    box.replaceChildren(...report(file.name, found, choose));
  } catch (error) {
    box.replaceChildren(make("h2", { textContent: file.name }), make("p", { textContent: "This file cannot be used." }));
    complain(error, file.name);
  }
}

function report(name, { verdict, findings, answers }, choose) {
  const list = make("ul", {}, ...findings.map((found) => make("li", {}, make("b", { textContent: `${found.severity}: ` }), found.what, make("br"), make("span", { class: "hint", textContent: `To do: ${found.remedy}` }))));
  const parts = [make("h2", { textContent: name }), make("p", { role: "status" }, "Checked: ", make("b", { textContent: verdict }), "."), list];
  if (!answers) return [...parts, make("p", { textContent: "No bundle is open, so nothing was predicted. Choose a recording on the left." })];
  const head = make("tr", {}, ...["recording", "answer", "confidence"].map((text) => make("th", { scope: "col", textContent: text })));
  const rows = answers.map((answer, index) =>
    make("tr", {}, make("td", {}, make("button", { type: "button", class: "link", textContent: answer.id, on: { click: () => choose(index) } })), make("td", { textContent: answer.answer }), make("td", { class: "number", textContent: `${(answer.confidence * 100).toFixed(0)} %` })));
  return [...parts, make("table", { class: "answers" }, make("thead", {}, head), make("tbody", {}, ...rows))];
}
