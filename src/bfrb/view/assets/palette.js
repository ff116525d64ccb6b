// Colours that the colour-blind can tell apart (Okabe and Ito), in a dark and a light form.

const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b87a00", "#3a9bd9", "#555555"];
const DARK = ["#56b4e9", "#ff8a3d", "#2fd0a0", "#e7a3c9", "#f0c14b", "#4d9fe0", "#b8b8b8"];
/** Dashes tell the traces apart without their colours. */
export const DASHES = [[], [], [], [7, 3], [2, 2]];

const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = [];

export const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
export const colour = (index) => (isDark() ? DARK : LIGHT)[index % LIGHT.length];
export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const onTheme = (listener) => listeners.push(listener);

const changed = () => listeners.forEach((listener) => listener());
dark.addEventListener("change", changed);

export function toggleTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  changed();
}

/** Colour of a row label: what is looked for stands out, the rest is quiet. */
export function labelColour(names, name) {
  const quiet = ["none", "Transition", "non-dominant"];
  if (quiet.includes(name)) return null;
  const order = names.filter((other) => !quiet.includes(other));
  return colour([1, 2, 3, 0, 4, 5, 6][order.indexOf(name) % 7]);
}

// Cividis, from far (dark) to near (bright): readable with any colour vision, and in grey.
const STOPS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];

export function cividis(share) {
  const at = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[low].map((value, index) => Math.round(value + (STOPS[low + 1][index] - value) * (at - low)));
}
