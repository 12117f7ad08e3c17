/** Loss and PSNR over the epochs. */
export declare class Chart {
    #private;
    constructor(host: HTMLElement);
    clear(): void;
    /** Takes in finished epochs; the PSNR is that after the last of them. */
    add(history: [epoch: number, loss: number][], psnr: number | null): void;
}
