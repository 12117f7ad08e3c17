"""PyTorch's training steps on a GPU: eager, as CUDA graphs, and compiled as CUDA graphs.

The network, the picture and the optimizer are those of `cargo xtask peers`. The samples stay on the device, and each
step draws a batch there. Prints a line of JSON for each time, the most important first, so that a run that is ended
early has them.

    python3 torch_cuda.py PICTURE [--device cpu] [--batches 200,1000]
"""

import argparse
import json
import sys
import time
import warnings

import torch

SPANS = 5
SECONDS = 0.25  # of a span


def picture(path):
    """The pixels of a binary PPM as numbers in [0, 1], which needs no library: [height, width, 3]."""
    with open(path, "rb") as file:
        assert file.readline().strip() == b"P6", f"{path} is not a binary PPM"
        width, height = map(int, file.readline().split())
        assert file.readline().strip() == b"255"
        pixels = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
    return pixels.reshape(height, width, 3).float() / 255


def samples(path, device):
    """Places of the pixel centers in [-1, 1] and colors."""
    colors = picture(path)
    height, width, _ = colors.shape
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    places = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).flip(-1)
    return places.reshape(-1, 2).to(device), colors.reshape(-1, 3).to(device)


def network(device, width=100, depth=10):
    layers, fan_in = [], 2
    for _ in range(depth):
        layers += [torch.nn.Linear(fan_in, width), torch.nn.ReLU()]
        fan_in = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(fan_in, 3)).to(device)


class Bench:
    def __init__(self, path, device):
        self.device = device
        self.inputs, self.targets = samples(path, device)
        self.library = f"PyTorch {torch.__version__.split('+')[0]}"

    def synchronize(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def spans(self, step):
        """Seconds of a step in each span, after steps that warm up."""
        for _ in range(5):
            step()
        self.synchronize()
        begun = time.perf_counter()
        for _ in range(5):
            step()
        self.synchronize()
        count = max(3, int(SECONDS * 5 / (time.perf_counter() - begun)))
        seconds = []
        for _ in range(SPANS):
            begun = time.perf_counter()
            for _ in range(count):
                step()
            self.synchronize()
            seconds.append((time.perf_counter() - begun) / count)
        return seconds

    def step(self, batch, how, precision):
        """A function that trains one step."""
        torch.manual_seed(0)
        torch.backends.cuda.matmul.allow_tf32 = precision != "f32"
        model = network(self.device)
        on_gpu = self.device == "cuda"
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True, capturable=on_gpu)
        forward = torch.compile(model, dynamic=False) if "compile" in how else model
        inputs, targets = self.inputs, self.targets
        order = torch.randint(0, len(inputs), (batch,), device=self.device)

        def step():
            order.random_(0, len(inputs))
            optimizer.zero_grad(set_to_none=False)
            with torch.autocast(self.device, torch.bfloat16, enabled=precision == "bf16"):
                loss = torch.nn.functional.mse_loss(forward(inputs[order]), targets[order])
            loss.backward()
            optimizer.step()

        if "CUDA graph" not in how:
            return step
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return graph.replay

    def report(self, batch, how, precision):
        line = {"library": self.library, "how": how, "precision": precision, "batch": batch}
        try:
            line["step_s"] = self.spans(self.step(batch, how, precision))
        except Exception as error:  # Whatever it is, the other times are worth having.
            line["failed"] = str(error).strip().splitlines()[0][:120] if str(error) else repr(error)
        print(json.dumps(line), flush=True)


def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("picture")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", default="200,1000,10000,65536")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no CUDA device")
    bench = Bench(options.picture, options.device)
    batches = [int(batch) for batch in options.batches.split(",")]
    graph = "CUDA graph" if options.device == "cuda" else "again"
    for batch in batches:
        bench.report(batch, "eager", "f32")
        for precision in ("f32", "TF32", "bf16"):
            bench.report(batch, graph, precision)
    # Compiling takes seconds each.
    for precision in ("f32", "TF32", "bf16"):
        for batch in batches:
            torch.compiler.reset()
            bench.report(batch, f"torch.compile, {graph}", precision)


if __name__ == "__main__":
    main()
