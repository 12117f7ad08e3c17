"""scikit-learn and PyTorch as contestants of `cargo xtask peers`.

Speaks the protocol that xtask/src/peers.rs describes: a line of JSON in, a line of JSON out.

    python contestant.py NAME        (one of CONTESTANTS, below)
"""

import json
import signal
import sys
import time


def samples(job):
    """The samples as float32: (inputs, targets)."""
    import numpy

    rows = numpy.fromfile(job["samples"], dtype="<f4").reshape(-1, job["inputs"] + job["outputs"])
    inputs, targets = numpy.split(rows, [job["inputs"]], axis=1)
    return numpy.ascontiguousarray(inputs), numpy.ascontiguousarray(targets)


def pytorch_version(torch):
    """Without the build, which is one for CUDA even where nothing runs on it."""
    return f"PyTorch {torch.__version__.split('+')[0]}"


class ScikitLearn:
    """MLPRegressor, one `fit` with `warm_start` for each measured span."""

    def __init__(self, job, dtype):
        import warnings

        import sklearn
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        # It warns of every span that it has not converged yet.
        warnings.simplefilter("ignore", ConvergenceWarning)
        self.version = f"scikit-learn {sklearn.__version__}"
        self.device = f"{job['threads']} threads, {dtype}"
        inputs, targets = samples(job)
        self.inputs, self.targets = inputs.astype(dtype), targets.astype(dtype)
        self.model = MLPRegressor(
            hidden_layer_sizes=job["hidden"],
            activation=job["activation"],
            solver="adam",
            alpha=0.0,
            batch_size=job["batch"],
            learning_rate_init=job["learning_rate"],
            shuffle=job["shuffle"],
            random_state=job["seed"],
            warm_start=True,
            n_iter_no_change=10**9,
        )

    def train(self, epochs):
        self.model.set_params(max_iter=epochs)
        start = time.perf_counter()
        self.model.fit(self.inputs, self.targets)
        return time.perf_counter() - start

    def loss(self):
        # scikit-learn's loss is half the mean squared error.
        return 2.0 * float(self.model.loss_)


class PyTorch:
    """Samples stay in tensors, one permutation an epoch, no DataLoader, Adam in one fused kernel."""

    def __init__(self, job, compiled):
        import torch

        self.torch = torch
        torch.set_num_threads(job["threads"])
        torch.manual_seed(job["seed"])
        # A denormal number costs many cycles and is worth nothing here.
        torch.set_flush_denormal(True)
        self.version = pytorch_version(torch)
        capability = torch.backends.cpu.get_cpu_capability()
        self.device = f"{torch.get_num_threads()} threads, {capability}"
        self.inputs, self.targets = (torch.from_numpy(array) for array in samples(job))
        widths = [job["inputs"], *job["hidden"]]
        activation = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[job["activation"]]
        layers = []
        for fan_in, fan_out in zip(widths, widths[1:]):
            layers += [torch.nn.Linear(fan_in, fan_out), activation()]
        layers.append(torch.nn.Linear(widths[-1], job["outputs"]))
        self.model = torch.nn.Sequential(*layers)
        self.forward = self.model
        if compiled:
            self.forward = torch.compile(self.model)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=job["learning_rate"], fused=True
        )
        self.batch = job["batch"]
        self.shuffle = job["shuffle"]
        self.losses = []

    def train(self, epochs):
        torch = self.torch
        measure = torch.nn.functional.mse_loss
        count = len(self.inputs)
        start = time.perf_counter()
        for _ in range(epochs):
            inputs, targets = self.inputs, self.targets
            if self.shuffle:
                order = torch.randperm(count)
                inputs, targets = inputs[order], targets[order]
            self.losses = []
            for x, y in zip(inputs.split(self.batch), targets.split(self.batch)):
                self.optimizer.zero_grad(set_to_none=True)
                loss = measure(self.forward(x), y)
                loss.backward()
                self.optimizer.step()
                self.losses.append((loss.detach(), len(x)))
        return time.perf_counter() - start

    def loss(self):
        return sum(float(loss) * n for loss, n in self.losses) / sum(n for _, n in self.losses)


class MatrixProduct:
    """float32 products of two matrices of `size` rows and columns; an "epoch" is one product."""

    def __init__(self, job):
        import torch

        torch.set_num_threads(job["threads"])
        self.version = pytorch_version(torch)
        self.device = f"{torch.get_num_threads()} threads"
        size = job["options"]["size"]
        self.a, self.b = torch.rand(size, size), torch.rand(size, size)
        self.product = torch.empty(size, size)
        self.torch = torch

    def train(self, epochs):
        start = time.perf_counter()
        for _ in range(epochs):
            self.torch.mm(self.a, self.b, out=self.product)
        return time.perf_counter() - start

    def loss(self):
        return 0.0


CONTESTANTS = {
    "scikit-learn-float64": lambda job: ScikitLearn(job, "float64"),
    "scikit-learn-float32": lambda job: ScikitLearn(job, "float32"),
    "pytorch": lambda job: PyTorch(job, compiled=False),
    "pytorch-compiled": lambda job: PyTorch(job, compiled=True),
    "matrix-product": MatrixProduct,
}


def main():
    # Ctrl-C ends a contestant without a stack trace.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    name = sys.argv[1]
    contestant = None
    for line in sys.stdin:
        turn = json.loads(line)
        if contestant is None:
            contestant = CONTESTANTS[name](turn)
            first_epoch = contestant.train(1)
            first_loss = contestant.loss()
        if turn["warm_up"]:
            contestant.train(turn["warm_up"])
        spans = [contestant.train(turn["epochs"]) / turn["epochs"] for _ in range(turn["spans"])]
        answer = {
            "contestant": name,
            "version": contestant.version,
            "device": contestant.device,
            "batch": turn["batch"],
            "first_epoch_s": first_epoch,
            "first_loss": first_loss,
            "epoch_s": spans,
            "final_loss": contestant.loss(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
