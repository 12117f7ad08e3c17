/** What each neuron of a layer puts out over the plane, while the network trains. */
import type { Painter } from "../api/index.js";
export declare class Teaching {
    #private;
    /** `chosen` is told when another layer is pointed at. */
    constructor(buttons: HTMLElement, canvas: HTMLCanvasElement, chosen: () => void);
    /** Shows a button for each layer of such a network. */
    open(widths: readonly number[]): void;
    /** Whether a layer is chosen. */
    get active(): boolean;
    /** Draws the chosen layer as it is now. */
    draw(painter: Painter): Promise<void>;
}
