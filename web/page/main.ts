/** The page: who clicks what. */

import { Chart } from "./chart.js";
import { onFile } from "./incoming.js";
import { hand } from "./picture.js";
import { Settings } from "./settings.js";
import { Studio } from "./studio.js";
import { Teaching } from "./teaching.js";
import { View, of } from "./view.js";

const studio: Studio = new Studio({
  view: new View(),
  settings: new Settings(of<HTMLFormElement>("controls"), (name) => studio.changed(name)),
  chart: new Chart(of("chart")),
  teaching: new Teaching(of("layers"), of("neurons"), () => studio.look()),
});

/** Has a button hand a file out. */
function hands(button: HTMLButtonElement, name: string, make: () => Promise<Blob | undefined>): void {
  button.addEventListener("click", () => {
    void studio.guarded(async () => {
      button.disabled = true;
      try {
        const file = await make();
        if (file) hand(file, name);
      } finally {
        button.disabled = !studio.painter;
      }
    });
  });
}

of("run").addEventListener("click", () => studio.toggle());
of("step").addEventListener("click", () => void studio.step());
of("reset").addEventListener("click", () => studio.reset());
of("sample").addEventListener("click", () => void studio.sample());
onFile(of<HTMLInputElement>("file"), (file, name) => void studio.open(file, name));

for (const button of document.querySelectorAll<HTMLButtonElement>(".download")) {
  const scale = Number(button.dataset.scale);
  hands(button, scale === 1 ? "painted.png" : `painted-${scale}x.png`, () => studio.painting(scale));
}
hands(of<HTMLButtonElement>("film"), "painted.gif", () => studio.film());
hands(of<HTMLButtonElement>("save"), "painted.safetensors", () => studio.network());

// For tests and the curious.
Object.assign(window, { impasto: { painter: () => studio.painter, state: () => studio.state } });

void studio.sample();
