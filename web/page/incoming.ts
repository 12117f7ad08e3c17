/** Files that a visitor chooses, drops or pastes. */

/** Calls `receive` with every file that the visitor chooses in `input`, drops on the page, or pastes. */
export function onFile(input: HTMLInputElement, receive: (file: File, name: string) => void): void {
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    // The same file can be chosen again.
    input.value = "";
    if (file) receive(file, file.name);
  });

  // Dragging fires for every element under the pointer.
  let inside = 0;
  const isFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (event) => {
    if (isFile(event) && inside++ === 0) document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (isFile(event) && --inside === 0) document.body.classList.remove("dropping");
  });
  addEventListener("dragover", (event) => {
    if (isFile(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    inside = 0;
    document.body.classList.remove("dropping");
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    receive(file, file.name);
  });

  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) receive(file, file.name || "The pasted picture");
  });
}
