"""A character-level language model with an LSTM: truncated back-propagation through time, sampling with a temperature."""

import argparse
import json
import math

import torch
import torch.nn as nn

TEXT = (
    "It was a bright morning and the machine stood open on the bench, its wheels turning slowly behind the glass. "
    "Whoever came in could see the belt run from the large wheel to the small one, and hear which tooth was worn. "
    "Nothing was hidden, and so nothing had to be believed: one looked, and then one knew. "
) * 40


class Corpus:
    def __init__(self, text):
        self.idx2char = sorted(set(text))
        self.char2idx = {c: i for i, c in enumerate(self.idx2char)}
        self.ids = torch.tensor([self.char2idx[c] for c in text], dtype=torch.long)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    data = data.narrow(0, 0, nbatch * bsz)
    return data.view(bsz, -1).t().contiguous()


def get_batch(source, i, bptt):
    seq_len = min(bptt, len(source) - 1 - i)
    return source[i : i + seq_len], source[i + 1 : i + 1 + seq_len].view(-1)


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, dropout, tie_weights):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            if nhid != ninp:
                raise ValueError("when using tied weights, nhid must be equal to ninp")
            self.decoder.weight = self.encoder.weight
        self.init_weights()
        self.nhid, self.nlayers = nhid, nlayers

    def init_weights(self):
        initrange = 0.1
        nn.init.uniform_(self.encoder.weight, -initrange, initrange)
        nn.init.zeros_(self.decoder.bias)
        nn.init.uniform_(self.decoder.weight, -initrange, initrange)

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        output = self.drop(output)
        decoded = self.decoder(output.view(output.size(0) * output.size(1), output.size(2)))
        return decoded, hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (weight.new_zeros(self.nlayers, bsz, self.nhid), weight.new_zeros(self.nlayers, bsz, self.nhid))


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def evaluate(model, source, criterion, bptt):
    model.eval()
    total_loss = 0.0
    hidden = model.init_hidden(source.size(1))
    with torch.no_grad():
        for i in range(0, source.size(0) - 1, bptt):
            data, targets = get_batch(source, i, bptt)
            output, hidden = model(data, hidden)
            hidden = repackage_hidden(hidden)
            total_loss += len(data) * criterion(output, targets).item()
    return total_loss / (len(source) - 1)


def generate(model, corpus, start, length, temperature):
    model.eval()
    hidden = model.init_hidden(1)
    out = list(start)
    input = torch.tensor([[corpus.char2idx[start[-1]]]])
    with torch.no_grad():
        for _ in range(length):
            output, hidden = model(input, hidden)
            weights = output.squeeze().div(temperature).exp().cpu()
            idx = torch.multinomial(weights, 1)[0]
            input.fill_(idx)
            out.append(corpus.idx2char[idx])
    return "".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emsize", type=int, default=64)
    parser.add_argument("--nhid", type=int, default=64)
    parser.add_argument("--nlayers", type=int, default=2)
    parser.add_argument("--lr", type=float, default=5.0)
    parser.add_argument("--clip", type=float, default=0.25)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--bptt", type=int, default=25)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--tied", action="store_true")
    parser.add_argument("--seed", type=int, default=1111)
    parser.add_argument("--log-interval", type=int, default=10)
    parser.add_argument("--save", help="file for the best model")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    corpus = Corpus(TEXT)
    split = int(0.9 * len(corpus.ids))
    train_data = batchify(corpus.ids[:split], args.batch_size).to(device)
    val_data = batchify(corpus.ids[split:], 4).to(device)

    ntokens = len(corpus.idx2char)
    model = RNNModel(ntokens, args.emsize, args.nhid, args.nlayers, args.dropout, args.tied).to(device)
    criterion = nn.CrossEntropyLoss()
    lr, best_val_loss, losses = args.lr, None, []
    for epoch in range(1, args.epochs + 1):
        model.train()
        hidden = model.init_hidden(args.batch_size)
        for batch, i in enumerate(range(0, train_data.size(0) - 1, args.bptt)):
            data, targets = get_batch(train_data, i, args.bptt)
            model.zero_grad()
            hidden = repackage_hidden(hidden)
            output, hidden = model(data, hidden)
            loss = criterion(output, targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
            for p in model.parameters():
                p.data.add_(p.grad, alpha=-lr)
            losses.append(loss.item())
            if batch % args.log_interval == 0:
                print(f"| epoch {epoch:3d} | batch {batch:5d} | lr {lr:02.2f} | loss {loss.item():5.2f}")
            if len(losses) == args.steps:
                break
        val_loss = evaluate(model, val_data, criterion, args.bptt)
        print(f"| end of epoch {epoch:3d} | valid loss {val_loss:5.2f} | valid ppl {math.exp(val_loss):8.2f}")
        if not best_val_loss or val_loss < best_val_loss:
            if args.save:
                with open(args.save, "wb") as f:
                    torch.save(model.state_dict(), f)
            best_val_loss = val_loss
        else:
            lr /= 4.0
        if args.steps and len(losses) >= args.steps:
            break
    print(generate(model, corpus, "It", 120, 0.8))
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses + [val_loss], f)


if __name__ == "__main__":
    main()
