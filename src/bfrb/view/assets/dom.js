// Making elements. Text from the data only ever goes through textContent and attributes, never through markup.

export const $ = (id) => document.getElementById(id);

/** An element; in `properties`, `class`, `style`, `data` and `aria` are taken apart, `on` holds listeners. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "aria") for (const [key, text] of Object.entries(value)) element.setAttribute(`aria-${key}`, text);
    else if (name in element && name !== "list" && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A message that stays until it is dismissed. */
export function complain(error, about = "") {
  if (error.name === "AbortError") return;
  const close = make("button", { type: "button", textContent: "Dismiss", on: { click: () => box.remove() } });
  const text = make("p", {}, make("strong", { textContent: (about ? about + ": " : "") + (error.problem ?? error.message) }));
  if (error.remedy) text.append(make("br"), `To do: ${error.remedy}`);
  const box = make("div", { class: "message", role: "alert" }, text, close);
  $("messages").replaceChildren(box);
}

/** Seconds as a reader wants them: 3.2 s, 4:05.2, 1:02:03. */
export function clock(seconds, digits = 1) {
  const sign = seconds < 0 ? "-" : "";
  const whole = Math.abs(seconds);
  if (whole < 60) return `${sign}${whole.toFixed(digits)} s`;
  const h = Math.floor(whole / 3600), m = Math.floor((whole % 3600) / 60);
  const s = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return h ? `${sign}${h}:${String(m).padStart(2, "0")}:${s}` : `${sign}${m}:${s}`;
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Show one of the main sections. */
export function present(id) {
  for (const other of ["welcome", "stage"]) $(other).hidden = other !== id;
}

/** Call at most once per frame, with the last arguments. */
export function oncePerFrame(action) {
  let waiting = null;
  return (...values) => {
    if (waiting === null) requestAnimationFrame(() => { const last = waiting; waiting = null; action(...last); });
    waiting = values;
  };
}
