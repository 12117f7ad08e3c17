/** How the painting grew, as an animation. */
export declare class Film {
    #private;
    get length(): number;
    clear(): void;
    /** Takes a painting in, if its turn has come. */
    add(frame: ImageData): void;
    /** The animation. Lets the page breathe between frames. */
    gif(): Promise<Blob>;
}
