"""One recurrent step at a time: RNNCell, LSTMCell or GRUCell in a Python loop, with teacher forcing."""

import argparse
import json

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class CellModel(nn.Module):
    def __init__(self, kind, vocabulary, hidden_size):
        super().__init__()
        self.kind, self.hidden_size, self.vocabulary = kind, hidden_size, vocabulary
        cell = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}[kind]
        self.cells = nn.ModuleList([cell(vocabulary, hidden_size), cell(hidden_size, hidden_size)])
        self.readout = nn.Linear(hidden_size, vocabulary)

    def forward(self, tokens, states=None):
        if states is None:
            states = [None] * len(self.cells)
        outputs = []
        for t in range(tokens.size(1)):
            h = F.one_hot(tokens[:, t], self.vocabulary).float()
            for layer, cell in enumerate(self.cells):
                states[layer] = cell(h, states[layer])
                h = states[layer][0] if self.kind == "lstm" else states[layer]
            outputs += [self.readout(h)]
        return torch.stack(outputs, dim=1), states


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", choices=["rnn", "lstm", "gru"], default="lstm")
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--length", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    rng = np.random.RandomState(args.seed)
    text = "hello world, see how the wheels go round and round; " * 30
    chars = sorted(set(text))
    data = np.array([chars.index(c) for c in text], dtype=np.int64)

    model = CellModel(args.cell, len(chars), args.hidden)
    for name, p in model.named_parameters():
        if "weight_hh" in name:
            nn.init.orthogonal_(p)
        elif "bias" in name:
            nn.init.zeros_(p)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3, alpha=0.95)

    losses = []
    for i in range(args.steps or args.iterations):
        at = rng.randint(0, len(data) - args.length - 1, size=args.batch_size)
        x = torch.from_numpy(np.stack([data[j : j + args.length] for j in at]))
        y = torch.from_numpy(np.stack([data[j + 1 : j + 1 + args.length] for j in at]))
        logits, _ = model(x)
        loss = F.cross_entropy(logits.reshape(-1, len(chars)), y.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if i % 20 == 0:
            print(f"iteration {i}: loss {loss.item():.4f}")

    model.eval()
    with torch.no_grad():
        token, states, written = torch.tensor([[chars.index("h")]]), None, "h"
        for _ in range(40):
            logits, states = model(token, states)
            token = logits[:, -1].argmax(-1, keepdim=True)
            written += chars[token.item()]
    print(written)
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
