"""Sine waves continued: two LSTM cells, trained by LBFGS with a closure, predict and then feed on their predictions."""

import argparse
import json

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


class Sequence(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.hidden = hidden
        self.lstm1 = nn.LSTMCell(1, hidden)
        self.lstm2 = nn.LSTMCell(hidden, hidden)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        c_t = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        h_t2 = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        c_t2 = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for _ in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=6)
    parser.add_argument("--length", type=int, default=40)
    parser.add_argument("--line-search", action="store_true", help="strong Wolfe conditions")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many evaluations")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    np.random.seed(2)
    torch.manual_seed(0)
    x = np.empty((20, args.length), "int64")
    x[:] = np.array(range(args.length)) + np.random.randint(-80, 80, 20).reshape(20, 1)
    data = np.sin(x / 1.0 / 5).astype("float64")
    input, target = torch.from_numpy(data[3:, :-1]), torch.from_numpy(data[3:, 1:])
    test_input, test_target = torch.from_numpy(data[:3, :-1]), torch.from_numpy(data[:3, 1:])

    seq = Sequence()
    seq.double()
    criterion = nn.MSELoss()
    optimizer = optim.LBFGS(
        seq.parameters(), lr=0.8, max_iter=10, line_search_fn="strong_wolfe" if args.line_search else None
    )
    losses = []
    for i in range(args.iterations):
        print("STEP: ", i)

        def closure():
            optimizer.zero_grad()
            out = seq(input)
            loss = criterion(out, target)
            losses.append(loss.item())
            loss.backward()
            return loss

        optimizer.step(closure)
        print("loss:", losses[-1])
        with torch.no_grad():
            future = 10
            pred = seq(test_input, future=future)
            loss = criterion(pred[:, :-future], test_target)
            print("test loss:", loss.item())
            y = pred.detach().numpy()
        print("first wave goes on:", " ".join(f"{v:.2f}" for v in y[0][-future:]))
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses[: args.steps or None], f)


if __name__ == "__main__":
    main()
