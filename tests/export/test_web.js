// For tests of the page: what it saves is kept, devices are there that send `sent`, and what is on it can be asked.

const kept = (globalThis.kept = []);
const address = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  if (blob.type === "text/csv") blob.text().then((text) => kept.push(text));
  return address.call(URL, blob);
};

const chunks = (text) => Array.from({ length: Math.ceil(text.length / 1000) }, (_, at) => new TextEncoder().encode(text.slice(at * 1000, at * 1000 + 1000)));

function getReader() {
  const parts = chunks(globalThis.sent);
  return { read: async () => ({ done: !parts.length, value: parts.shift() }), cancel: async () => {}, releaseLock() {} };
}

const port = { open: async () => {}, readable: { getReader }, close: async () => {} };
Object.defineProperty(navigator, "serial", { value: { requestPort: async () => port } });

class Characteristic extends EventTarget {
  async startNotifications() {
    for (const part of chunks(globalThis.sent)) {
      this.value = new DataView(part.buffer);
      this.dispatchEvent(new Event("characteristicvaluechanged"));
    }
    setTimeout(() => globalThis.gone(), 0);
  }
}
const service = { getCharacteristic: async () => new Characteristic() };
const gatt = { connect: async () => ({ getPrimaryService: async () => service }), disconnect() {} };
const worn = { gatt, addEventListener: (_, over) => { globalThis.gone = over; } };
Object.defineProperty(navigator, "bluetooth", { value: { requestDevice: async () => worn } });

globalThis.whatIsSaid = () => {
  const status = document.querySelector("#status").textContent;
  return status.includes("Read as") ? status : document.querySelector(".message")?.textContent;
};

/** The least contrast of any text with what is behind it, and that text. */
globalThis.leastContrast = () => {
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const linear = (value) => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (one) => {
    const colour = parts(getComputedStyle(one).backgroundColor);
    return colour.length === 4 && colour[3] < 1 ? (one.parentElement ? behind(one.parentElement) : [255, 255, 255]) : colour;
  };
  const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  const seen = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility() && !one.disabled && hasText(one));
  const ratios = seen.map((one) => {
    const [brighter, darker] = [light(parts(getComputedStyle(one).color)), light(behind(one))].sort((a, b) => b - a);
    return [(brighter + 0.05) / (darker + 0.05), one.textContent.slice(0, 40)];
  });
  return ratios.sort((a, b) => a[0] - b[0])[0];
};
