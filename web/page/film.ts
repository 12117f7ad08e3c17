/** The animation of how the painting grew. */

import { GIFEncoder, applyPalette, quantize } from "gifenc";
import { shrunk } from "./picture.js";

/** The side of a square with as many pixels as a frame has at most, so that a film stays small. */
const SIDE = 256;

/** Frames that are kept: when there are more, every second is dropped. */
const MOST_FRAMES = 80;

/** Milliseconds that a frame is shown, and the last one. */
const [DELAY, LAST_DELAY] = [90, 2500];

export class Film {
  #frames: ImageData[] = [];
  #every = 1;
  #seen = 0;
  #last: ImageData | undefined;

  get length(): number {
    return this.#frames.length;
  }

  clear(): void {
    this.#frames = [];
    this.#last = undefined;
    this.#every = 1;
    this.#seen = 0;
  }

  /** Takes a painting in, if its turn has come. */
  add(frame: ImageData): void {
    this.#last = shrunk(frame, SIDE);
    if (this.#seen++ % this.#every !== 0) return;
    this.#frames.push(this.#last);
    if (this.#frames.length > MOST_FRAMES) {
      this.#frames = this.#frames.filter((_, i) => i % 2 === 0);
      this.#every *= 2;
    }
  }

  /** The animation. Lets the page breathe between frames. */
  async gif(): Promise<Blob> {
    const frames = [...this.#frames];
    if (this.#last && frames[frames.length - 1] !== this.#last) frames.push(this.#last);
    const encoder = GIFEncoder();
    for (const [i, frame] of frames.entries()) {
      const palette = quantize(frame.data, 256);
      const indices = applyPalette(frame.data, palette);
      const delay = i === frames.length - 1 ? LAST_DELAY : DELAY;
      encoder.writeFrame(indices, frame.width, frame.height, { palette, delay });
      await new Promise((resolve) => setTimeout(resolve));
    }
    encoder.finish();
    return new Blob([encoder.bytes()], { type: "image/gif" });
  }
}
