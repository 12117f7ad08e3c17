/**
 * The states of the page: the picture, the painter and the training loop.
 *
 * The studio displays nothing: the view does.
 *
 * A reset, another picture or another setting can replace the painter while a request is pending. Code
 * that waits for a painter therefore checks afterwards that it is still the current one. A visitor's
 * choice replaces the current work only after it has proved usable.
 */

import { type Options, Painter, PainterError } from "../api/index.js";
import type { Chart } from "./chart.js";
import { Film } from "./film.js";
import { type Loaded, fitting, load, pixels, png } from "./picture.js";
import type { Settings } from "./settings.js";
import type { Teaching } from "./teaching.js";
import type { State, View } from "./view.js";

/** Milliseconds of training between two looks at it. */
const TURN = 60;

/** The time for painting and thumbnails, as a share of the time for training; and the longest wait for a
 * painting, in milliseconds. */
const [SHARE, LONGEST_WAIT] = [0.25, 2000];

/** Milliseconds at least between two paintings. */
const FRAME = 100;

/** Milliseconds for which the loss of a device is shown, and after which its opening is shown. */
const [SHOWN, SLOW] = [8000, 500];

/** How often a request is repeated after a loss of the device. */
const MOST_LOSSES = 2;

/** The largest network that is read, in bytes. */
const LARGEST_NETWORK = 64 << 20;

/** The side of the largest square that a network without a picture paints. */
const SIDE_ALONE = 1024;

const LOST = "The GPU was lost and is opened again. What was learned after the last painting is lost.";

/** After a turn of training: there is more to do, all is done, or another painter has replaced this one. */
type Outcome = "more" | "done" | "gone";

/** A picture, an opened network, which replaces a new one, or both. */
interface Work {
  name: string;
  /** The number of its choice. */
  choice: number;
  picture?: Loaded;
  network?: Uint8Array;
  /** The choice before it that had not proved usable either. It is restored if this one proves unusable. */
  before?: Work | undefined;
}

export class Studio {
  readonly #view: View;
  readonly #settings: Settings;
  readonly #chart: Chart;
  readonly #teaching: Teaching;
  readonly #film = new Film();

  #state: State = "opening";
  #painter: Painter | undefined;
  /** The options and the work of the current painter. */
  #options: Options = {};
  #work: Work | undefined;
  /** The choice since then, until it has proved usable. */
  #chosen: Work | undefined;
  /** The picture in the pixels that are learned. */
  #target: ImageData | undefined;
  /** Ends the pending opening. */
  #opening = new AbortController();
  /** Choices so far. */
  #choices = 0;
  /** Whether to begin again even if the choice is refused. */
  #anew = false;
  /** Whether to train on once it is open. */
  #goOn = false;
  #nextPainting = 0;
  /** The opening of a painter's lost device, for all pending requests. */
  #recovery: { mine: Painter; done: Promise<void> } | undefined;

  constructor(parts: { view: View; settings: Settings; chart: Chart; teaching: Teaching }) {
    this.#view = parts.view;
    this.#settings = parts.settings;
    this.#chart = parts.chart;
    this.#teaching = parts.teaching;
    this.#enter("opening");
  }

  get state(): State {
    return this.#state;
  }

  get painter(): Painter | undefined {
    return this.#painter;
  }

  #enter(next: State): void {
    this.#state = next;
    const [painter, picture, film] = [this.#painter, this.#target, this.#film.length].map(Boolean) as [boolean, boolean, boolean];
    this.#view.enter(next, { painter, picture, film });
  }

  /** Whether it is in that state: asked anew, since a state may change at every `await`. */
  #is(...states: State[]): boolean {
    return states.includes(this.#state);
  }

  /** Shows a failure. */
  #explain(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    // A picture's message begins with the name of its file.
    this.#view.showMessage(error instanceof PainterError ? message.charAt(0).toUpperCase() + message.slice(1) : message);
  }

  /** Does something with the current painter, and shows a failure. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // The request was for a painter that has been replaced.
      if (error instanceof PainterError && error.kind === "Disposed") return;
      this.#explain(error);
      if (!(error instanceof PainterError)) return;
      if (error.kind === "Crashed") this.#dispose();
      // After a divergence, the earlier parameters can be saved. Training must begin again.
      if (error.kind === "Crashed" || error.kind === "Diverged") this.#fail();
    }
  }

  /** Ends the painter and its pending requests. */
  #dispose(): void {
    this.#painter?.dispose();
    this.#painter = undefined;
  }

  #fail(): void {
    this.#enter("failed");
    if (!this.#painter) this.#view.noAdapter();
  }

  /** Does something with a painter; where its device is lost, opens it again and does it again. */
  async #surviving<T>(mine: Painter, work: () => Promise<T>): Promise<T> {
    for (let losses = 0; ; ) {
      try {
        if (losses > 0) await this.#recover(mine);
        return await work();
      } catch (error) {
        // Once is bad luck; again and again it is no use to try on.
        if (!(error instanceof PainterError) || error.kind !== "DeviceLost" || ++losses > MOST_LOSSES) throw error;
        console.warn(error.message);
      }
    }
  }

  /** Opens a painter's device again, once for all requests at the same time. */
  async #recover(mine: Painter): Promise<void> {
    if (this.#recovery?.mine !== mine) {
      const here = mine === this.#painter;
      if (here) this.#view.showMessageFor(SHOWN, LOST);
      const done = mine.recover().then(() => {
        if (mine !== this.#painter) return;
        this.#named();
        if (mine.progress) this.#view.progress(mine.progress, this.#options.epochs);
      });
      this.#recovery = { mine, done };
      // The next loss is another one.
      const over = () => {
        if (this.#recovery?.done === done) this.#recovery = undefined;
      };
      done.then(over, over);
    }
    await this.#recovery?.done;
  }

  #named(): void {
    if (this.#painter) this.#view.adapter(this.#painter.adapter, this.#options.backend);
  }

  /** Makes a painter for the choice, which then replaces the current work, or else for the current work
   * again. */
  async begin(): Promise<void> {
    this.#opening.abort();
    const { signal } = (this.#opening = new AbortController());
    const chosen = this.#chosen;
    const work = chosen ?? this.#work;
    if (!work) return;
    const { picture, network } = work;
    this.#settings.showNetwork(network !== undefined);
    if (!this.#settings.check()) {
      this.#view.showMessage("One of the settings is out of range: it is marked.");
      if (!this.#painter) this.#fail();
      return;
    }
    const goesOn = network && (!picture || this.#settings.goesOn);
    const options = this.#settings.options;
    this.#view.showMessage("");
    if (!chosen) this.#dispose();
    const slow = setTimeout(() => this.#view.showMessage(`Opening ${work.name} …`, "note"), SLOW);
    let made: Painter | undefined;
    try {
      const target = picture && pixels(picture, this.#settings.side);
      if (!this.#painter) {
        this.#clear(work, target);
        this.#enter("opening");
      }
      const mine = (made = await Painter.create({ ...options, ...(target && { pixels: target }), ...(goesOn && { saved: network }), signal }));
      // Not wanted any more, it stops at once.
      const abandon = () => mine.dispose();
      signal.addEventListener("abort", abandon);
      const { width, height } = target ?? fitting(mine.subject, SIDE_ALONE);
      const painting = await this.#surviving(mine, () => mine.paint(width, height));
      signal.removeEventListener("abort", abandon);
      if (signal.aborted) {
        mine.dispose();
        return;
      }
      clearTimeout(slow);
      this.#view.showMessage("");
      this.#chosen = undefined;
      this.#anew = false;
      this.#work = { ...work, before: undefined };
      this.#dispose();
      this.#clear(work, target);
      this.#painter = mine;
      this.#options = options;
      this.#show(painting);
      this.#named();
      this.#teaching.open(mine.widths);
      this.#enter("ready");
    } catch (error) {
      made?.dispose();
      if (!signal.aborted) await this.#refuse(chosen, error);
      return;
    } finally {
      clearTimeout(slow);
    }
    if (!this.#target) {
      this.#view.showMessage("This network paints, at any size. To train it on, choose the picture that it has learned, or another.", "note");
    }
    this.#view.speak(`Ready, on ${made.adapter.description}.`);
    const goOn = this.#goOn;
    this.#goOn = false;
    if (goOn) this.toggle();
    else this.look();
  }

  /** The choice, or a new beginning, has failed: returns to the current work. */
  async #refuse(chosen: Work | undefined, error: unknown): Promise<void> {
    const unusable = error instanceof PainterError && ["Invalid", "TooLarge", "Crashed"].includes(error.kind);
    const refused = chosen !== undefined && (this.#painter !== undefined || unusable);
    if (refused) this.#chosen = chosen.before;
    if (refused && (this.#chosen || (this.#work && (this.#anew || !this.#painter)))) {
      this.#anew = false;
      await this.begin();
    } else if (!this.#painter) {
      this.#fail();
    } else {
      this.#settings.showNetwork(this.#work?.network !== undefined);
    }
    this.#explain(error);
  }

  /** Forgets the painting, and shows the picture to learn. */
  #clear(work: Work, target: ImageData | undefined): void {
    this.#film.clear();
    this.#chart.clear();
    this.#target = target;
    this.#view.begin(work.picture, target);
  }

  #show(painting: ImageData): void {
    this.#view.painting(painting, this.#target, this.#painter?.psnr ?? null);
    if (this.#target) this.#film.add(painting);
  }

  /** Paints, compares, and shows it. */
  async #paint(mine: Painter): Promise<void> {
    const clock = performance.now();
    const painting = await this.#surviving(mine, () => mine.paint());
    if (mine !== this.#painter) return;
    this.#show(painting);
    await this.#surviving(mine, () => this.#teaching.draw(mine));
    const now = performance.now();
    this.#nextPainting = now + Math.min(LONGEST_WAIT, Math.max(FRAME, (now - clock) / SHARE));
  }

  /** One turn of training, with a painting if it is time for one. */
  async #turn(milliseconds: number): Promise<Outcome> {
    const mine = this.#painter;
    if (!mine) return "gone";
    const progress = await this.#surviving(mine, () => (milliseconds > 0 ? mine.train(milliseconds) : mine.trainSteps(1)));
    if (mine !== this.#painter) return "gone";
    this.#view.progress(progress, this.#options.epochs);
    this.#chart.add(progress.history);
    if (performance.now() >= this.#nextPainting || progress.done || milliseconds === 0) {
      await this.#paint(mine);
      if (mine !== this.#painter) return "gone";
      this.#chart.painted(mine.psnr);
    }
    this.#view.sayProgress(progress, mine.psnr);
    // A loss while it painted may have set it back.
    return mine.progress?.done ? "done" : "more";
  }

  /** Turn after turn, until the visitor pauses or training is done. */
  async #train(mine: Painter): Promise<void> {
    this.#enter("training");
    this.#view.speak("Training.");
    await this.#guarded(async () => {
      let outcome: Outcome = "more";
      while (this.#is("training") && outcome === "more") outcome = await this.#turn(TURN);
      if (mine !== this.#painter) return;
      if (outcome === "done") this.#enter("done");
      // Paused: shows the painting of the current parameters.
      else await this.#paint(mine);
    });
    // A failure ends training as a pause does: the parameters remain.
    if (mine === this.#painter && this.#is("training", "pausing")) this.#enter("ready");
  }

  /** Starts, or pauses once the turn under way is done. */
  toggle(): void {
    if (this.#is("training")) {
      this.#enter("pausing");
      this.#view.speak("Paused.");
    } else if (this.#is("ready") && this.#target && this.#painter) {
      this.#view.showMessage("");
      void this.#train(this.#painter);
    }
  }

  /** One step of training. */
  async step(): Promise<void> {
    const mine = this.#painter;
    if (!this.#is("ready") || !this.#target || !mine) return;
    this.#enter("stepping");
    let outcome = "more" as Outcome;
    await this.#guarded(async () => {
      outcome = await this.#turn(0);
    });
    if (mine === this.#painter && this.#is("stepping")) this.#enter(outcome === "done" ? "done" : "ready");
  }

  /** Begins anew with the settings as they are, and waits. */
  reset(): void {
    this.#goOn = false;
    this.#anew = this.#chosen !== undefined;
    void this.begin();
  }

  /** A setting was changed. */
  changed(name: string): void {
    const mine = this.#painter;
    // Of a run that has diverged, a lower one makes a new beginning.
    if (name === "learningRate" && mine && !this.#chosen && !this.#is("failed")) {
      if (!this.#settings.check()) {
        this.#view.showMessage("One of the settings is out of range: it is marked.");
        return;
      }
      this.#view.showMessage("");
      if (this.#target) void this.#guarded(() => mine.setLearningRate(this.#settings.learningRate));
      return;
    }
    // A visitor who changes a setting during training expects to see its effect.
    this.#goOn = this.#is("training") || (this.#goOn && this.#is("opening"));
    this.#anew = this.#chosen !== undefined;
    void this.begin();
  }

  /** Another layer is to be seen. */
  look(): void {
    const mine = this.#painter;
    if (mine && !this.#is("training")) void this.#guarded(() => this.#surviving(mine, () => this.#teaching.draw(mine)));
  }

  /** Works on a picture, or with a network. */
  async open(file: Blob, name: string): Promise<void> {
    await this.#open(++this.#choices, file, name);
  }

  /** Works on the picture that lies beside the page. */
  async sample(): Promise<void> {
    const choice = ++this.#choices;
    try {
      const answer = await fetch("logo.jpg");
      if (!answer.ok) throw new Error(`The sample did not load: ${answer.status} ${answer.statusText}.`);
      await this.#open(choice, await answer.blob(), "logo.jpg");
    } catch (error) {
      this.#explain(error);
      if (!this.#painter && !this.#chosen) this.#fail();
    }
  }

  async #open(choice: number, file: Blob, name: string): Promise<void> {
    let work: Work;
    try {
      if (name.toLowerCase().endsWith(".safetensors")) {
        if (file.size > LARGEST_NETWORK) throw new Error(`${name} is larger than any network that is trained here.`);
        // It paints its saved subject, until a picture is chosen.
        work = { name, choice, network: new Uint8Array(await file.arrayBuffer()) };
      } else {
        const picture = await load(file, name);
        const network = this.#work?.network;
        work = { name, choice, picture, ...(network && this.#settings.goesOn && { network }) };
      }
    } catch (error) {
      this.#explain(error);
      return;
    }
    const pending = this.#chosen;
    if (pending && choice < pending.choice) {
      // It was chosen earlier than the pending choice, and read later.
      if (choice > (pending.before?.choice ?? 0)) pending.before = work;
      return;
    }
    if (choice < (this.#work?.choice ?? 0)) return;
    this.#chosen = { ...work, before: pending };
    this.#goOn = false;
    await this.begin();
  }

  /** Makes a file with `file`, and shows a failure. */
  async make(file: (mine: Painter) => Promise<Blob>): Promise<Blob | undefined> {
    const mine = this.#painter;
    let made: Blob | undefined;
    if (mine) {
      await this.#guarded(async () => {
        made = await this.#surviving(mine, () => file(mine));
      });
    }
    return made;
  }

  /** How the painting grew, as a GIF file. */
  film(): Promise<Blob> {
    return this.#film.gif();
  }
}

/** The painting so many times as large, as a PNG file. */
export async function painting(mine: Painter, scale: number): Promise<Blob> {
  const { width, height } = mine.subject;
  return png(await mine.paint(width * scale, height * scale));
}

/** The network, as a safetensors file. */
export async function network(mine: Painter): Promise<Blob> {
  return new Blob([await mine.save()], { type: "application/octet-stream" });
}
