/** The output of each neuron of a layer over the plane. */

import type { Painter } from "../api/index.js";

/** Pixels of a thumbnail's side, and between two of them. */
const [SIDE, GAP] = [36, 2];

/** The most neurons that are shown. */
const MOST = 256;

export class Teaching {
  readonly #buttons: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  #layer: number | undefined;
  #neurons: number[] = [];

  /** `chosen` is called when another layer is chosen. */
  constructor(buttons: HTMLElement, canvas: HTMLCanvasElement, chosen: () => void) {
    this.#buttons = buttons;
    this.#canvas = canvas;
    const choose = (event: Event) => {
      const button = (event.target as HTMLElement).closest("button");
      if (!button || Number(button.dataset.layer) === this.#layer) return;
      this.#layer = Number(button.dataset.layer);
      for (const other of this.#buttons.querySelectorAll("button")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      chosen();
    };
    for (const kind of ["pointerover", "focusin", "click"]) buttons.addEventListener(kind, choose);
  }

  /** Shows a button for each layer of such a network. */
  open(widths: readonly number[]): void {
    this.#neurons = [...widths];
    if (this.#layer !== undefined && this.#layer >= widths.length) {
      this.#layer = undefined;
      this.#canvas.width = this.#canvas.height = 1;
      this.#canvas.setAttribute("aria-label", "No layer is chosen");
    }
    const focused = this.#buttons.contains(document.activeElement);
    this.#buttons.replaceChildren(
      ...widths.map((neurons, layer) => {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.layer = String(layer);
        button.textContent = layer === widths.length - 1 ? `Output: ${neurons}` : `${layer + 1}: ${neurons}`;
        // Begins with what is seen, for those who say it.
        button.setAttribute("aria-label", `${button.textContent} neurons`);
        button.setAttribute("aria-pressed", String(layer === this.#layer));
        return button;
      }),
    );
    if (focused) this.#buttons.querySelector("button")?.focus();
  }

  /** Whether a layer is chosen. */
  get active(): boolean {
    return this.#layer !== undefined;
  }

  /** Draws the chosen layer as it is now. */
  async draw(painter: Painter): Promise<void> {
    const layer = this.#layer;
    if (layer === undefined) return;
    const shades = await painter.neurons(layer, SIDE);
    if (layer !== this.#layer) return;
    const neurons = Math.min(MOST, this.#neurons[layer] ?? 0);
    const room = this.#buttons.clientWidth;
    const across = Math.max(1, Math.min(neurons, Math.floor(room / (SIDE + GAP))));
    const down = Math.ceil(neurons / across);
    const canvas = this.#canvas;
    canvas.width = across * (SIDE + GAP) - GAP;
    canvas.height = down * (SIDE + GAP) - GAP;
    const image = new ImageData(canvas.width, canvas.height);
    for (let neuron = 0; neuron < neurons; neuron++) {
      const left = (neuron % across) * (SIDE + GAP);
      const top = Math.floor(neuron / across) * (SIDE + GAP);
      for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
        const x = left + (pixel % SIDE);
        const y = top + Math.floor(pixel / SIDE);
        const at = 4 * (y * image.width + x);
        const shade = shades[neuron * SIDE * SIDE + pixel] ?? 0;
        image.data.set([shade, shade, shade, 255], at);
      }
    }
    canvas.getContext("2d")?.putImageData(image, 0, 0);
    const shown = neurons < (this.#neurons[layer] ?? 0) ? `the first ${neurons}` : `all ${neurons}`;
    canvas.setAttribute("aria-label", `What ${shown} neurons of layer ${layer + 1} put out over the picture`);
  }
}
