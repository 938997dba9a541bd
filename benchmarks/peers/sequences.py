"""The networks over characters and image rows of models/ in plain PyTorch, with the same parameter names."""
import torch
import torch.nn.functional as F
from torch import nn


class TransformerLayer(nn.Module):
    """Pre-norm, one linear layer for queries, keys and values, exact GELU."""

    def __init__(self, size, heads, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.n1, self.qkv, self.out = nn.LayerNorm(size), nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.n2, self.up, self.down = nn.LayerNorm(size), nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, x):
        n, t, size = x.shape
        q, k, v = (part.view(n, t, self.heads, -1).transpose(1, 2) for part in self.qkv(self.n1(x)).chunk(3, -1))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(a.transpose(1, 2).reshape(n, t, size))
        return x + self.down(F.gelu(self.up(self.n2(x))))


class Rows(nn.Module):
    """A recurrent network that reads an image row by row; each direction's last state is classified."""

    def __init__(self, cell=nn.LSTM, bidirectional=False, classes=10, rows=28, columns=28, units=128):
        super().__init__()
        self.rnn = cell(columns, units, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(units * (2 if bidirectional else 1), classes)

    def forward(self, x):
        _, state = self.rnn(x.squeeze(1))
        h = state[0] if isinstance(state, tuple) else state
        return self.head(h.transpose(0, 1).flatten(1))


class EncoderRows(nn.Module):
    """A Transformer encoder over the rows of an image."""

    def __init__(self, classes=10, rows=28, columns=28, width=64, heads=4, layers=2):
        super().__init__()
        self.position, self.embed = nn.Embedding(rows, width), nn.Linear(columns, width)
        self.layers = nn.Sequential(*[TransformerLayer(width, heads) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x):
        x = self.embed(x.squeeze(1)) + self.position.weight
        return self.head(self.norm(self.layers(x)).mean(1))


class CharRnn(nn.Module):
    """A language model: [N,T] characters -> [N,T,V] logits of the next."""

    def __init__(self, cell=nn.LSTM, vocabulary=65, embedding=64, hidden=256, layers=2):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.rnn = cell(embedding, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0])


class Gpt(nn.Module):
    """A small GPT: [N,T] characters -> [N,T,V] logits of the next."""

    def __init__(self, vocabulary=65, sequence=64, width=128, heads=4, layers=4, tied=False):
        super().__init__()
        self.token, self.position = nn.Embedding(vocabulary, width), nn.Embedding(sequence, width)
        self.layers = nn.Sequential(*[TransformerLayer(width, heads, causal=True) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = None if tied else nn.Linear(width, vocabulary, bias=False)

    def forward(self, x):
        x = self.norm(self.layers(self.token(x) + self.position.weight[:x.shape[1]]))
        return self.head(x) if self.head is not None else x @ self.token.weight.T


class AdditiveAttention(nn.Module):
    def __init__(self, query, key, units):
        super().__init__()
        self.W_q, self.W_k = nn.Linear(query, units, bias=False), nn.Linear(key, units, bias=False)
        self.v = nn.Parameter(torch.empty(units).uniform_(-1, 1) / units ** 0.5)


class Seq2Seq(nn.Module):
    """GRUs with additive attention; the context feeds the decoder's recurrence. Gives logits and attention."""

    def __init__(self, vocabulary, embedding=32, hidden=64):
        super().__init__()
        self.source_embedding = nn.Embedding(vocabulary, embedding)
        self.target_embedding = nn.Embedding(vocabulary, embedding)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.attention = AdditiveAttention(hidden, 2 * hidden, hidden)
        self.decoder = nn.GRU(embedding + 2 * hidden, hidden, batch_first=True)
        self.head = nn.Linear(3 * hidden, vocabulary)

    def forward(self, source, x):
        states, ends = self.encoder(self.source_embedding(source))
        h = torch.tanh(self.bridge(ends.transpose(0, 1).flatten(1))).unsqueeze(0)
        keys, mask = self.attention.W_k(states), (source == 0).unsqueeze(1) * -1e9
        before, rows, attention = self.target_embedding(x), [], []
        for t in range(x.shape[1]):
            query = self.attention.W_q(h.transpose(0, 1))
            weights = torch.softmax(torch.tanh(query + keys) @ self.attention.v + mask[:, 0], -1).unsqueeze(1)
            context = weights @ states
            y, h = self.decoder(torch.cat([before[:, t:t + 1], context], -1), h)
            rows.append(torch.cat([y, context], -1))
            attention.append(weights)
        return self.head(torch.cat(rows, 1)), torch.cat(attention, 1)


SEQUENCES = {"char_rnn": lambda **o: CharRnn(nn.RNN, **o), "char_lstm": CharRnn, "char_gru": lambda **o: CharRnn(nn.GRU, **o),
             "gpt": Gpt, "seq2seq": Seq2Seq, "encoder_rows": EncoderRows}
for _name, _cell in (("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)):
    SEQUENCES[f"{_name}_rows"] = lambda cell=_cell, **o: Rows(cell, **o)
    SEQUENCES[f"bi{_name}_rows"] = lambda cell=_cell, **o: Rows(cell, True, **o)
