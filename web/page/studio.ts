/**
 * What the page does: a picture, a painter, and where training is. Shows nothing by itself: that is the
 * view's.
 *
 * A painter can be replaced while something is asked of it, by a reset, another picture or another
 * setting. So whatever waits for one looks afterwards whether it is still the one at hand.
 */

import { Painter, PainterError } from "../api/index.js";
import type { Chart } from "./chart.js";
import { Film } from "./film.js";
import { type Loaded, load, pixels, png } from "./picture.js";
import type { Settings } from "./settings.js";
import type { Teaching } from "./teaching.js";
import type { State, View } from "./view.js";

/** Milliseconds of training between two looks at it. */
const TURN = 60;

/** What may be spent on painting and thumbnails, as a share of the time for training; and the longest
 * wait for a painting all the same, in milliseconds. */
const [SHARE, LONGEST_WAIT] = [0.25, 2000];

/** Milliseconds at least between two paintings. */
const FRAME = 100;

/** Milliseconds for which a lost device is told. */
const TOLD = 8000;

/** Devices that are opened again, one after the other, with no training between them. */
const MOST_LOSSES = 2;

/** The largest network that is read, in bytes. */
const LARGEST_NETWORK = 64 << 20;

/** After a turn of training: there is more to do, all is done, or another painter has taken the place of this
 * one. */
type Outcome = "more" | "done" | "gone";

/** What is worked on: a picture, a network that was opened, which paints in place of a new one, or both. */
interface Work {
  picture?: Loaded;
  network?: Uint8Array;
}

export class Studio {
  readonly #view: View;
  readonly #settings: Settings;
  readonly #chart: Chart;
  readonly #teaching: Teaching;
  readonly #film = new Film();

  #state: State = "opening";
  #work: Work = {};
  #painter: Painter | undefined;
  /** The picture in the pixels that are learned. */
  #target: ImageData | undefined;
  /** Ends the opening that is under way, which then knows that it is no longer wanted. */
  #opening = new AbortController();
  /** Counts the choices of a picture or network, so that an older one notices a newer. */
  #choices = 0;
  /** Whether to train on once it is open. */
  #goOn = false;
  #nextPainting = 0;
  /** Devices that were lost with no training between them. */
  #losses = 0;
  /** When the device was last lost, while that is still told. */
  #lostAt: number | undefined;

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

  /** Does something; what fails is told. */
  async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // What was asked of a painter that another has taken the place of.
      if (error instanceof PainterError && error.kind === "Disposed") return;
      const message = error instanceof Error ? error.message : String(error);
      // A picture's message begins with the name of its file.
      this.#view.tell(error instanceof PainterError ? message.charAt(0).toUpperCase() + message.slice(1) : message);
      if (!(error instanceof PainterError)) return;
      if (error.kind === "Crashed") {
        this.#dispose();
        this.#enter("failed");
      }
      // What was learned before is still there to keep; training needs a new beginning.
      if (error.kind === "Diverged") this.#enter("failed");
    }
  }

  /** Ends the painter, and whatever it is asked at the moment. */
  #dispose(): void {
    this.#painter?.dispose();
    this.#painter = undefined;
  }

  /** Begins anew: the picture in the pixels that are learned, a network, an engine. With `careful`, the
   * painter at hand stays until there is another. Whether what is worked on could be used, whatever else
   * may have failed. */
  async begin({ careful = false } = {}): Promise<boolean> {
    this.#opening.abort();
    const { signal } = (this.#opening = new AbortController());
    const { picture, network } = this.#work;
    const goesOn = network && (!picture || this.#settings.goesOn);
    this.#settings.showNetwork(Boolean(network));
    if (!picture && !network) return true;
    const was = this.#state;
    if (!careful) this.#dispose();
    this.#enter("opening");
    if (!this.#settings.check()) {
      this.#fail();
      this.#view.tell("One of the settings is out of range: it is marked.");
      return true;
    }
    this.#view.tell("");
    const target = picture && pixels(picture, this.#settings.side);
    if (!careful) this.#clear(target);
    let usable = true;
    await this.guarded(async () => {
      let made: Painter;
      try {
        made = await Painter.create({
          ...this.#settings.options,
          ...(target && { pixels: target }),
          ...(goesOn && { saved: network }),
          signal,
        });
      } catch (error) {
        if (signal.aborted) return;
        usable = !(error instanceof PainterError && error.kind === "Invalid");
        if (careful && this.#painter) {
          this.#enter(was === "done" ? "done" : "ready");
          this.#named();
        }
        throw error;
      }
      if (signal.aborted) {
        made.dispose();
        return;
      }
      if (careful) {
        this.#dispose();
        this.#clear(target);
      }
      this.#painter = made;
      this.#named();
      this.#teaching.open(made.widths);
      await this.#paint();
      if (signal.aborted) return;
      this.#enter("ready");
      if (!target) {
        this.#view.tell("This network paints, at any size. To train it on, choose the picture that it has learned, or another.");
      }
      this.#view.speak(`Ready, on ${made.adapter.description}.`);
      const goOn = this.#goOn;
      this.#goOn = false;
      if (goOn) this.toggle();
    });
    if (!signal.aborted && this.#is("opening")) this.#fail();
    return usable;
  }

  /** Forgets what was painted, and shows what is to be learned. */
  #clear(target: ImageData | undefined): void {
    this.#film.clear();
    this.#chart.clear();
    this.#losses = 0;
    this.#lostAt = undefined;
    this.#target = target;
    this.#view.begin(this.#work.picture, target);
  }

  #fail(): void {
    this.#enter("failed");
    if (!this.#painter) this.#view.noAdapter();
  }

  #named(): void {
    if (this.#painter) this.#view.adapter(this.#painter.adapter, this.#settings.options.backend);
  }

  /** Does something with a painter whose device may have been lost while nobody asked it for anything. */
  async #revived<T>(mine: Painter, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PainterError) || error.kind !== "DeviceLost") throw error;
      await mine.recover();
      if (mine === this.#painter) this.#named();
      return work();
    }
  }

  /** Paints, compares, and shows it. */
  async #paint(): Promise<void> {
    const mine = this.#painter;
    if (!mine) return;
    const clock = performance.now();
    const painting = await mine.paint();
    if (mine !== this.#painter) return;
    this.#view.painting(painting, this.#target, mine.psnr);
    if (this.#target) this.#film.add(painting);
    await this.#teaching.draw(mine);
    const now = performance.now();
    this.#nextPainting = now + Math.min(LONGEST_WAIT, Math.max(FRAME, (now - clock) / SHARE));
  }

  /** One turn of training, with a painting if it is time for one. */
  async #turn(milliseconds: number): Promise<Outcome> {
    const mine = this.#painter;
    if (!mine) return "gone";
    try {
      const progress = milliseconds > 0 ? await mine.train(milliseconds) : await mine.trainSteps(1);
      if (mine !== this.#painter) return "gone";
      this.#view.progress(progress, this.#settings.epochs);
      const painted = performance.now() >= this.#nextPainting || progress.done || milliseconds === 0;
      if (painted) await this.#paint();
      if (mine !== this.#painter) return "gone";
      this.#chart.add(progress.history);
      if (painted) this.#chart.painted(mine.psnr);
      this.#losses = 0;
      if (this.#lostAt !== undefined && performance.now() - this.#lostAt > TOLD) {
        this.#lostAt = undefined;
        this.#view.tell("");
      }
      this.#view.sayProgress(progress, mine.psnr);
      return progress.done ? "done" : "more";
    } catch (error) {
      // Once is bad luck; again and again it is no use to try on.
      const lost = error instanceof PainterError && error.kind === "DeviceLost";
      if (!lost || ++this.#losses > MOST_LOSSES) throw error;
      this.#lostAt = performance.now();
      this.#view.tell("The GPU was lost. It is opened again, and training goes on from the last painting; what came after it is lost.");
      console.warn(error.message);
      await mine.recover();
      if (mine !== this.#painter) return "gone";
      this.#named();
      return "more";
    }
  }

  /** Turn after turn, until someone pauses or all is done. */
  async #train(): Promise<void> {
    const mine = this.#painter;
    this.#enter("training");
    this.#view.speak("Training.");
    await this.guarded(async () => {
      let outcome: Outcome = "more";
      while (this.#is("training") && outcome === "more") outcome = await this.#turn(TURN);
      if (mine !== this.#painter) return;
      if (outcome === "done") this.#enter("done");
      // Paused: what is shown is what was learned.
      else await this.#paint();
    });
    // A failure ends it as a pause does: what was learned is still there.
    if (mine === this.#painter && this.#is("training", "pausing")) this.#enter(mine ? "ready" : "failed");
  }

  /** Starts, or pauses once the turn under way is done. */
  toggle(): void {
    if (this.#is("training")) {
      this.#enter("pausing");
      this.#view.speak("Paused.");
    } else if (this.#is("ready") && this.#target) {
      this.#view.tell("");
      void this.#train();
    }
  }

  /** One step of training. */
  async step(): Promise<void> {
    if (!this.#is("ready") || !this.#target) return;
    const mine = this.#painter;
    this.#enter("stepping");
    let outcome = "more" as Outcome;
    await this.guarded(async () => {
      outcome = await this.#turn(0);
    });
    if (mine === this.#painter && this.#is("stepping")) this.#enter(outcome === "done" ? "done" : mine ? "ready" : "failed");
  }

  /** Begins anew with the settings as they are, and waits. */
  reset(): void {
    this.#goOn = false;
    void this.begin();
  }

  /** A setting was changed. */
  changed(name: string): void {
    if (name === "learningRate" && this.#painter && this.#is("ready", "training", "pausing", "stepping")) {
      if (this.#settings.check()) {
        void this.guarded(async () => this.#painter?.setLearningRate(this.#settings.learningRate));
        return;
      }
    }
    // Whoever changes something while it trains wants to see what that does.
    this.#goOn ||= this.#is("training");
    void this.begin();
  }

  /** Another layer is to be seen. */
  look(): void {
    const mine = this.#painter;
    if (mine && !this.#is("training")) void this.guarded(async () => this.#teaching.draw(mine));
  }

  /** Works on a picture, or with a network. */
  async open(file: Blob, name: string): Promise<void> {
    const mine = ++this.#choices;
    const before = this.#work;
    await this.guarded(async () => {
      if (name.toLowerCase().endsWith(".safetensors")) {
        if (file.size > LARGEST_NETWORK) throw new Error(`${name} is larger than any network that is trained here.`);
        const network = new Uint8Array(await file.arrayBuffer());
        if (mine !== this.#choices) return;
        // It paints what it was saved with, until a picture is chosen.
        this.#work = { network };
      } else {
        const picture = await load(file, name);
        if (mine !== this.#choices) return;
        const { network } = this.#work;
        this.#work = { picture, ...(network && this.#settings.goesOn && { network }) };
      }
      this.#goOn = false;
      // What cannot be used does not take the place of what could.
      const careful = this.#work.network !== undefined;
      if (!(await this.begin({ careful })) && careful && mine === this.#choices) {
        this.#work = before;
        this.#settings.showNetwork(Boolean(before.network));
      }
    });
  }

  /** Works on the picture that lies beside the page. */
  async sample(): Promise<void> {
    const mine = ++this.#choices;
    await this.guarded(async () => {
      const answer = await fetch("logo.jpg");
      if (!answer.ok) throw new Error(`The sample did not load: ${answer.status} ${answer.statusText}.`);
      const file = await answer.blob();
      if (mine === this.#choices) await this.open(file, "logo.jpg");
    });
  }

  /** The painting so many times as large, as a PNG file. */
  async painting(scale: number): Promise<Blob | undefined> {
    const mine = this.#painter;
    if (!mine) return undefined;
    const { width, height } = mine.subject;
    return png(await this.#revived(mine, () => mine.paint(width * scale, height * scale)));
  }

  /** How the painting grew, as a GIF file. */
  film(): Promise<Blob> {
    return this.#film.gif();
  }

  /** The network, as a safetensors file. */
  async network(): Promise<Blob | undefined> {
    const mine = this.#painter;
    if (!mine) return undefined;
    const bytes = await this.#revived(mine, () => mine.save());
    return new Blob([bytes], { type: "application/octet-stream" });
  }
}
