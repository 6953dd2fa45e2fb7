"""W6: a GPT of 4 layers, 4 heads, width 128, on 12 texts of 64 characters out of 65; AdamW.

The arrangement is GPT-2's (Radford et al. 2019): layer norm before each part, GELU, the output shares the embedding's table.
"""

VOCABULARY, CONTEXT, WIDTH, HEADS, LAYERS, BATCH = 65, 64, 128, 4, 4, 12


def build(torch):
    """(model, step, data): `loss = step(*data)` is one whole training step.  tokens[12, 64], following[12, 64]."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        """Attention to what came before, then a perceptron for each place; both are added to what went in."""

        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x):
            n, t, _ = x.shape
            parts = self.qkv(self.norm1(x)).split(WIDTH, 2)
            q, k, v = (part.reshape(n, t, HEADS, WIDTH // HEADS).transpose(1, 2) for part in parts)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(n, t, WIDTH))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class GPT(nn.Module):
        """tokens[N, T] -> logits[N, T, 65] of the characters that follow."""

        def __init__(self):
            super().__init__()
            self.token, self.place = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
            self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
            self.norm = nn.LayerNorm(WIDTH)

        def forward(self, tokens):
            x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
            return F.linear(self.norm(self.blocks(x)), self.token.weight)

    model = GPT()
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 2:
                p.normal_(0.0, 0.02)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, betas=(0.9, 0.99), weight_decay=0.1)

    def step(tokens, following):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens).reshape(-1, VOCABULARY), following.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss

    text = torch.randint(0, VOCABULARY, (BATCH, CONTEXT + 1))
    return model, step, (text[:, :-1].contiguous(), text[:, 1:].contiguous())
