// The wrist in 3-D: device, forearm and hand as flat-shaded boxes, turned by the quaternion (device to world, z up).

import { css, colour } from "./palette.js";

// Device axes: y along the forearm to the hand, x to the thumb of a right hand, z away from the skin.
const BODY = [
  { box: [-0.3, -2.3, -0.62, 0.3, 0.35, -0.16], tone: "--skin" },
  { box: [-0.42, 0.38, -0.56, 0.42, 1.15, -0.24], tone: "--skin" },
  { box: [-0.4, 1.15, -0.52, 0.4, 1.75, -0.3], tone: "--skin" },
  { box: [0.42, 0.55, -0.5, 0.66, 1.2, -0.28], tone: "--skin", thumb: true },
  { box: [-0.4, -0.34, -0.16, 0.4, 0.34, 0.1], tone: "--device" },
];
const FACES = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]];
const LIGHT = normal([-0.35, -0.5, 0.8]);

export class Wrist {
  constructor(canvas) {
    this.canvas = canvas;
    this.azimuth = -0.6;
    this.elevation = 0.38;
    this.quaternion = null;
    this.left = false;
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => event.buttons && this.turn(event.movementX / 120, event.movementY / 120));
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  turn(azimuth, elevation) {
    this.azimuth -= azimuth;
    this.elevation = Math.min(1.5, Math.max(-1.5, this.elevation + elevation));
    this.draw();
  }

  key(event) {
    const turns = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };
    if (!(event.key in turns)) return;
    event.preventDefault();
    event.stopPropagation();
    this.turn(...turns[event.key]);
  }

  /** Show (w, x, y, z), or null for "not measured". */
  show(quaternion) {
    this.quaternion = quaternion;
    this.draw();
  }

  draw() {
    const ratio = devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    if (this.canvas.width !== Math.round(width * ratio)) { this.canvas.width = Math.round(width * ratio); this.canvas.height = Math.round(height * ratio); }
    const ink = this.canvas.getContext("2d");
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, width, height);
    const scale = Math.min(width, height) / 4.9;
    const view = (point) => this.project(point, width / 2, height / 2, scale);
    drawFloor(ink, view);
    if (!this.quaternion) return drawNote(ink, width, height, "not measured");
    const turn = rotation(this.quaternion);
    this.drawBody(ink, view, turn);
    drawAxes(ink, view, turn);
  }

  project([x, y, z], left, top, scale) {
    const ca = Math.cos(this.azimuth), sa = Math.sin(this.azimuth), ce = Math.cos(this.elevation), se = Math.sin(this.elevation);
    const across = ca * x + sa * y, away = -sa * x + ca * y;
    const up = ce * z + se * away, depth = ce * away - se * z;
    const near = 9 / (9 + depth);
    return [left + across * scale * near, top - up * scale * near, depth];
  }

  drawBody(ink, view, turn) {
    const faces = [];
    for (const part of BODY) {
      const corners = cornersOf(part.box, part.thumb && this.left).map((corner) => times(turn, corner));
      for (const face of FACES) faces.push(shadedFace(face.map((index) => corners[index]), view, part.tone));
    }
    faces.sort((a, b) => b.depth - a.depth);
    ink.lineJoin = "round";
    for (const { points, fill } of faces) {
      ink.beginPath();
      points.forEach(([x, y], index) => (index ? ink.lineTo(x, y) : ink.moveTo(x, y)));
      ink.closePath();
      ink.fillStyle = ink.strokeStyle = fill;
      ink.fill();
      ink.stroke();
    }
  }
}

function shadedFace(corners, view, tone) {
  const points = corners.map(view);
  const facing = normal(cross(minus(corners[1], corners[0]), minus(corners[3], corners[0])));
  const share = 0.62 + 0.38 * Math.abs(facing[0] * LIGHT[0] + facing[1] * LIGHT[1] + facing[2] * LIGHT[2]);
  const [red, green, blue] = css(tone).split(" ").map(Number);
  const fill = `rgb(${Math.round(red * share)} ${Math.round(green * share)} ${Math.round(blue * share)})`;
  return { points, fill, depth: points.reduce((sum, point) => sum + point[2], 0) / 4 };
}

function cornersOf([x0, y0, z0, x1, y1, z1], mirrored) {
  const sign = mirrored ? -1 : 1, corners = [];
  for (const x of [x0, x1]) for (const y of [y0, y1]) for (const z of [z0, z1]) corners.push([sign * x, y, z]);
  return corners;
}

function drawFloor(ink, view) {
  ink.strokeStyle = css("--line");
  ink.lineWidth = 1;
  for (let step = -2; step <= 2; step++)
    for (const [from, to] of [[[step, -2, -1.9], [step, 2, -1.9]], [[-2, step, -1.9], [2, step, -1.9]]]) line(ink, view(from), view(to));
}

function drawAxes(ink, view, turn) {
  ink.font = "12px system-ui, sans-serif";
  ink.lineWidth = 2;
  [["x", [1.25, 0, 0.1]], ["y", [0, 2.2, 0.1]], ["z", [0, 0, 1.3]]].forEach(([name, tip], index) => {
    const from = view(times(turn, [0, 0, 0.1])), to = view(times(turn, tip));
    ink.strokeStyle = ink.fillStyle = colour(index);
    line(ink, from, to);
    ink.fillText(name, to[0] + 4, to[1] + 4);
  });
  ink.lineWidth = 1;
}

function drawNote(ink, width, height, text) {
  ink.fillStyle = css("--quiet");
  ink.font = "13px system-ui, sans-serif";
  ink.textAlign = "center";
  ink.fillText(text, width / 2, height / 2);
  ink.textAlign = "start";
}

function line(ink, from, to) {
  ink.beginPath();
  ink.moveTo(from[0], from[1]);
  ink.lineTo(to[0], to[1]);
  ink.stroke();
}

/** Rows of the matrix that turns device vectors into world vectors. */
export function rotation([w, x, y, z]) {
  const n = w * w + x * x + y * y + z * z || 1, s = 2 / n;
  return [
    [1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)],
    [s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)],
    [s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)],
  ];
}

/** Between two orientations, the short way round. */
export function blend(a, b, share) {
  const sign = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] < 0 ? -1 : 1;
  const mixed = a.map((value, index) => value * (1 - share) + sign * b[index] * share);
  return mixed.every(Number.isFinite) ? mixed : null;
}

const times = (matrix, vector) => matrix.map((row) => row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2]);
const minus = (a, b) => a.map((value, index) => value - b[index]);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
function normal(vector) {
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}
