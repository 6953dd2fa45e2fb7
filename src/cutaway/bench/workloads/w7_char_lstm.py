"""W7: a character LSTM: embedding 64, hidden 128, on 32 texts of 64 characters out of 65; Adam."""

VOCABULARY, STEPS, BATCH = 65, 64, 32


def build(torch):
    """(model, step, data): `loss = step(*data)` is one whole training step.  tokens[32, 64], following[32, 64]."""
    nn, F = torch.nn, torch.nn.functional

    class CharLSTM(nn.Module):
        """tokens[N, T] -> logits[N, T, 65] of the characters that follow."""

        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, 64)
            self.lstm = nn.LSTM(64, 128, batch_first=True)
            self.head = nn.Linear(128, VOCABULARY)

        def forward(self, tokens):
            hidden, _ = self.lstm(self.embedding(tokens))
            return self.head(hidden)

    model = CharLSTM()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)

    def step(tokens, following):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens).reshape(-1, VOCABULARY), following.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss

    text = torch.randint(0, VOCABULARY, (BATCH, STEPS + 1))
    return model, step, (text[:, :-1].contiguous(), text[:, 1:].contiguous())
