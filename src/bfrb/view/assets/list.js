// The list of recordings: only the rows that can be seen exist, and only they are asked for.

import { ask } from "./api.js";
import { $, clock, complain, make, oncePerFrame } from "./dom.js";

const ROW = 54, PAGE = 100, AROUND = 8;
const FILTERS = ["text", "gesture", "subject", "orientation", "missing"];
const WORDS = { gesture: "all gestures", subject: "all subjects", orientation: "all postures" };

export class List {
  /** @param {(number: number) => void} choose is told the recording that was chosen */
  constructor(choose) {
    this.choose = choose;
    this.box = $("list");
    this.space = make("div", { class: "space" });
    this.box.append(this.space);
    this.collection = null;
    this.chosen = null;
    this.active = 0;
    this.clear();
    this.box.addEventListener("scroll", oncePerFrame(() => this.draw()));
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(oncePerFrame(() => this.draw())).observe(this.box);
    let timer;
    for (const name of FILTERS)
      $(name).addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => this.search(), name === "text" ? 120 : 0); });
  }

  clear() {
    this.pages = new Map();
    this.count = 0;
    this.version = (this.version ?? 0) + 1;
  }

  /** Show a collection, again when more is known of it; what to filter by comes from its facets. */
  open(collection) {
    const again = this.collection !== null;
    this.collection = collection;
    for (const name of ["gesture", "subject", "orientation"]) fill(name, collection.facets[name], [["", WORDS[name]]]);
    const missing = [["", "any"], ["nothing", "nothing missing"], ["anything", "something missing"]];
    fill("missing", collection.facets.missing, missing);
    return this.search(again);
  }

  async search(keep = false) {
    if (!this.collection) return;
    this.clear();
    if (!keep) { this.box.scrollTop = 0; this.active = 0; }
    await this.load(Math.floor(this.active / PAGE));
    this.space.style.height = `${this.count * ROW}px`;
    const whole = this.collection.recordings;
    $("found").textContent = this.count === whole ? `${format(whole)} recordings` : `${format(this.count)} of ${format(whole)} recordings`;
    this.draw();
  }

  async load(page) {
    if (this.pages.has(page)) return;
    this.pages.set(page, null);
    const version = this.version;
    const query = new URLSearchParams(FILTERS.map((name) => [name, $(name).value]));
    query.set("first", page * PAGE);
    query.set("size", PAGE);
    try {
      const answer = await ask(`/api/recordings?${query}`);
      if (version !== this.version) return;
      this.pages.set(page, answer.rows);
      this.count = answer.found;
    } catch (error) {
      this.pages.delete(page);
      complain(error);
    }
  }

  row(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE] ?? null;
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - AROUND);
    const last = Math.min(this.count, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + AROUND);
    for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.max(first, last - 1) / PAGE); page++)
      if (this.count && !this.pages.has(page)) this.load(page).then(() => this.draw());
    const rows = [];
    for (let index = first; index < last; index++) rows.push(this.element(index));
    this.space.replaceChildren(...rows);
    this.box.setAttribute("aria-activedescendant", this.count ? `row-${this.active}` : "");
  }

  element(index) {
    const row = this.row(index);
    const style = { top: `${index * ROW}px`, height: `${ROW}px` };
    const aria = { selected: String(row !== null && row.number === this.chosen), posinset: index + 1, setsize: this.count };
    const element = make("div", { class: "row", id: `row-${index}`, role: "option", style, aria, data: { index } });
    if (index === this.active) element.classList.add("active");
    if (!row) return element;
    const what = row.gesture ?? "–";
    const missing = row.missing ? make("span", { class: "missing", textContent: `no ${row.missing}`, title: `measured nothing: ${row.missing}` }) : null;
    element.append(
      make("div", { class: "first" }, make("b", { textContent: row.id }), make("span", { textContent: clock(row.seconds) })),
      make("div", { class: "second" }, make("span", { class: "what", textContent: what }), missing, make("span", { textContent: row.subject })),
    );
    element.title = [row.id, row.subject, what, row.orientation].filter(Boolean).join(" · ");
    return element;
  }

  click(event) {
    const element = event.target.closest(".row");
    if (element) this.go(Number(element.dataset.index));
  }

  go(index) {
    this.active = Math.min(Math.max(index, 0), Math.max(0, this.count - 1));
    const top = this.active * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    if (top + ROW > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + ROW - this.box.clientHeight;
    const row = this.row(this.active);
    if (row) { this.chosen = row.number; this.choose(row.number); }
    else if (this.count) { const wanted = this.active; this.load(Math.floor(wanted / PAGE)).then(() => this.active === wanted && this.row(wanted) && this.go(wanted)); }
    this.draw();
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    this.go(this.active + steps[event.key]);
  }
}

const format = (number) => number.toLocaleString("en");

function fill(id, values, special) {
  const select = $(id), kept = select.value;
  const options = [...special.map(([value, textContent]) => make("option", { value, textContent }))];
  options.push(...values.map(([value, count]) => make("option", { value, textContent: `${value} (${format(count)})` })));
  select.replaceChildren(...options);
  select.value = kept;
  if (select.selectedIndex < 0) select.value = "";
  select.closest("label").hidden = id !== "missing" && values.length < 2;
}
