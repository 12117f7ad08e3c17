/** The page: connects the controls to the studio. */

import type { Painter } from "../api/index.js";
import { Chart } from "./chart.js";
import { onFile } from "./incoming.js";
import { hand } from "./picture.js";
import { Settings } from "./settings.js";
import { Studio, network, painting } from "./studio.js";
import { Teaching } from "./teaching.js";
import { View, of } from "./view.js";

const studio: Studio = new Studio({
  view: new View(),
  settings: new Settings(of<HTMLFormElement>("controls"), (name) => studio.changed(name)),
  chart: new Chart(of("chart")),
  teaching: new Teaching(of("layers"), of("neurons"), () => studio.look()),
});

/** Lets a button do something; not twice at once, and not while it is marked as disabled. A button with the
 * attribute `disabled` would lose the focus of the keyboard. */
function click(id: string | HTMLElement, work: () => unknown): void {
  const button = typeof id === "string" ? of(id) : id;
  let busy = false;
  button.addEventListener("click", () => {
    if (busy || button.getAttribute("aria-disabled") === "true") return;
    busy = true;
    void Promise.resolve(work()).finally(() => (busy = false));
  });
}

/** Has a button hand a file out. */
function hands(id: string | HTMLElement, name: string, make: (mine: Painter) => Promise<Blob>): void {
  click(id, async () => {
    const file = await studio.make(make);
    if (file) hand(file, name);
  });
}

click("run", () => studio.toggle());
click("step", () => studio.step());
// Neither waits for its work: the next click starts other work.
of("reset").addEventListener("click", () => studio.reset());
of("sample").addEventListener("click", () => void studio.sample());
onFile(of<HTMLInputElement>("file"), (file, name) => void studio.open(file, name));

for (const button of document.querySelectorAll<HTMLElement>(".download")) {
  const scale = Number(button.dataset.scale);
  hands(button, scale === 1 ? "painted.png" : `painted-${scale}x.png`, (mine) => painting(mine, scale));
}
hands("film", "painted.gif", () => studio.film());
hands("save", "painted.safetensors", network);

// For tests and the curious.
Object.assign(window, { impasto: { painter: () => studio.painter, state: () => studio.state } });

void studio.sample();
