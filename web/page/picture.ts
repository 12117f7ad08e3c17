/** Pictures from files and on canvases. */

import type { Pixels } from "../api/protocol.js";

/** The largest file that is decoded, in bytes. */
const LARGEST_FILE = 64 << 20;

/** The most pixels that are decoded. */
const MOST_PIXELS = 1 << 26;

/** The longest side of a canvas: longer ones stay empty in some browser. */
const LONGEST = 8192;

/** A picture as it was given, and as large as it is learned. */
export interface Loaded {
  name: string;
  /** Its own size. */
  width: number;
  height: number;
  bitmap: ImageBitmap;
}

/** Reads a picture. Fails with one sentence for people. */
export async function load(file: Blob, name: string): Promise<Loaded> {
  if (file.size === 0) throw new Error(`${name} is empty: choose another picture.`);
  if (file.size > LARGEST_FILE) {
    throw new Error(`${name} has ${Math.round(file.size / 2 ** 20)} MB, more than the 64 MB that are read: make it smaller.`);
  }
  let bitmap: ImageBitmap;
  try {
    // The browser converts colors to sRGB by the file's profile, as `paint` does.
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "default", premultiplyAlpha: "none" });
  } catch {
    throw new Error(`${name} is damaged, or no picture that this browser can read: choose a PNG, JPEG, WebP or GIF.`);
  }
  if (bitmap.width * bitmap.height > MOST_PIXELS) {
    const size = `${bitmap.width}×${bitmap.height}`;
    bitmap.close();
    throw new Error(`${name} has ${size} pixels, more than the 67 million that are read: make it smaller.`);
  }
  return { name, width: bitmap.width, height: bitmap.height, bitmap };
}

/** The picture's pixels: no more of them than a square with that side has. */
export function pixels({ bitmap, width, height }: Loaded, side: number): ImageData {
  return drawn(bitmap, width, height, side);
}

/** A picture with no more pixels than a square with that side. */
export function shrunk(image: ImageData, side: number): ImageData {
  if (image.width * image.height <= side * side) return image;
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return drawn(canvas, image.width, image.height, side);
}

/** The size of something in the same proportions, with no more pixels than a square with that side. */
export function fitting({ width, height }: { width: number; height: number }, side: number): { width: number; height: number } {
  // Not by the longer side alone: a wide picture would become a line.
  const scale = Math.min(1, side / Math.sqrt(width * height), LONGEST / Math.max(width, height));
  const fit = (length: number) => Math.max(1, Math.min(Math.floor(length * scale), side * side));
  return { width: fit(width), height: fit(height) };
}

function drawn(source: CanvasImageSource, width: number, height: number, side: number): ImageData {
  const { width: w, height: h } = fitting({ width, height }, side);
  const context = new OffscreenCanvas(w, h).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser cannot draw pictures.");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, w, h);
  return context.getImageData(0, 0, w, h);
}

/** Shows a picture on a canvas, in as many pixels as it has. */
export function show(canvas: HTMLCanvasElement, image: ImageData): void {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.classList.toggle("tall", image.height > image.width);
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** `|a − b|`, so many times as strong; opaque. A color counts as far as it can be seen in `a`, and alpha everywhere. */
export function difference(a: Pixels, b: Pixels, factor: number): ImageData {
  const result = new ImageData(a.width, a.height);
  const [from, other, to] = [a.data, b.data, result.data];
  const apart = (i: number) => Math.abs((from[i] ?? 0) - (other[i] ?? 0));
  for (let pixel = 0; pixel < to.length; pixel += 4) {
    const visible = (from[pixel + 3] ?? 0) / 255;
    const alpha = apart(pixel + 3);
    for (let i = pixel; i < pixel + 3; i++) to[i] = factor * Math.max(Math.round(visible * apart(i)), alpha);
    to[pixel + 3] = 255;
  }
  return result;
}

/** A PNG file of a picture. */
export function png(image: ImageData): Promise<Blob> {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** Hands a file to the visitor. */
export function hand(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
