/** The form with the settings of the network and its training. */

import type { Options } from "../api/index.js";

export class Settings {
  readonly #form: HTMLFormElement;

  /** `changed` is called with the name of every changed setting. */
  constructor(form: HTMLFormElement, changed: (name: string) => void) {
    this.#form = form;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", (event) => changed((event.target as HTMLInputElement).name));
  }

  /** Whether all of them are within their ranges; if not, the first that is not is marked. */
  check(): boolean {
    return this.#form.reportValidity();
  }

  /** The options of a painter. */
  get options(): Required<Pick<Options, "backend" | "epochs">> & Options {
    return {
      ...(this.#control("layers").disabled ? {} : this.#network),
      backend: this.#chosen("backend") as NonNullable<Options["backend"]>,
      learningRate: this.learningRate,
      schedule: this.#chosen("schedule") as NonNullable<Options["schedule"]>,
      batch: this.#number("batch"),
      epochs: this.#number("epochs"),
      seed: this.#number("seed"),
    };
  }

  /** The options of a new network. */
  get #network(): Options {
    return {
      hidden: Array<number>(this.#number("layers")).fill(this.#number("width")),
      activation: this.#chosen("activation"),
      encoding: this.#chosen("encoding") as NonNullable<Options["encoding"]>,
    };
  }

  get learningRate(): number {
    return this.#number("learningRate");
  }

  /** A picture is learned in at most this many pixels, squared. */
  get side(): number {
    return Number(this.#chosen("side"));
  }

  /** Whether training continues from the opened network, if there is one. */
  get goesOn(): boolean {
    return this.#control("goesOn").checked;
  }

  /** Shows whether there is an opened network. Its own settings are then not asked for. */
  showNetwork(there: boolean): void {
    const box = this.#control("goesOn");
    box.closest("label")!.hidden = !there;
    if (!there) box.checked = true;
    for (const name of ["layers", "width", "activation", "encoding"]) {
      const control = this.#control(name);
      // Disabled, so that what cannot be seen is not checked either.
      control.closest("label")!.hidden = control.disabled = there && box.checked;
    }
  }

  #control(name: string): HTMLInputElement {
    return this.#form.elements.namedItem(name) as HTMLInputElement;
  }

  #number(name: string): number {
    return this.#control(name).valueAsNumber;
  }

  #chosen(name: string): string {
    return this.#control(name).value;
  }
}
