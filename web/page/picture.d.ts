/** Pictures from files, and onto canvases. */
import type { Pixels } from "../api/protocol.js";
/** A picture as it was given, and as large as it is learned. */
export interface Loaded {
    name: string;
    /** Its own size. */
    width: number;
    height: number;
    bitmap: ImageBitmap;
}
/** Reads a picture. Fails with one sentence for people. */
export declare function load(file: Blob, name: string): Promise<Loaded>;
/** The picture's pixels, with the longer side at most `side`. */
export declare function pixels({ bitmap, width, height }: Loaded, side: number): ImageData;
/** A picture with its longer side at most `side`. */
export declare function shrunk(image: ImageData, side: number): ImageData;
/** Shows a picture on a canvas, in as many pixels as it has. */
export declare function show(canvas: HTMLCanvasElement, image: ImageData): void;
/** `|a − b|`, so many times as strong, channel by channel; opaque. */
export declare function difference(a: Pixels, b: Pixels, factor: number): ImageData;
/** A PNG file of a picture. */
export declare function png(image: ImageData): Promise<Blob>;
/** Hands a file to the visitor. */
export declare function hand(blob: Blob, name: string): void;
