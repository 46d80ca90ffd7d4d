"""PyTorch's side: torch_worker.py CASE MODE WARM_UP THREADS, where MODE is words joined by +: eager, fused, channels_last, compile."""

import sys

import torch
from torch import nn
from torch.nn import functional as F

from protocol import serve

case, mode, warm_up, threads = sys.argv[1], sys.argv[2].split("+"), int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
torch.manual_seed(1)


def labels(count, classes=10):
    return torch.arange(count) % classes


def mlp():
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return model, torch.rand(512, 32), labels(512), 32


def lenet():
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return model, torch.rand(512, 1, 28, 28), labels(512), 64


def conv_norm(inputs, outputs, kernel=3, stride=1):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = conv_norm(inputs, outputs, 3, stride)
        self.second = conv_norm(outputs, outputs)
        self.around = conv_norm(inputs, outputs, 1, stride) if inputs != outputs else nn.Identity()

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.around(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 16)
        sizes = [(16, 16, 1)] * 3 + [(16, 32, 2), (32, 32, 1), (32, 32, 1)] + [(32, 64, 2), (64, 64, 1), (64, 64, 1)]
        self.blocks = nn.Sequential(*(Residual(*size) for size in sizes))
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


def resnet():
    return ResNet(), torch.rand(512, 3, 32, 32), labels(512), 32


WIDTH, HEADS, CONTEXT, VOCAB = 128, 4, 128, 256


class TransformerBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        parts = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.out(seen)
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.position = nn.Embedding(VOCAB, WIDTH), nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.02)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.Sequential(*(TransformerBlock() for _ in range(4)))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, tokens):
        x = self.blocks(self.embed(tokens) + self.position)
        return (self.norm(x) @ self.embed.weight.T).flatten(0, 1)


def gpt():
    tokens = (torch.arange(64 * (CONTEXT + 1)) * 7919 % VOCAB).view(64, CONTEXT + 1)
    return GPT(), tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous(), 8


class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(16, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def lstm():
    return LSTM(), torch.rand(512, 32, 16), labels(512), 32


def adam(model, **options):
    return torch.optim.Adam(model.parameters(), fused="fused" in mode, **options)


def batches(x, y, size):
    """Views of the rows, over and over."""
    pairs = list(zip(x.split(size), y.split(size)))
    while True:
        yield from pairs


def classifier_steps(model, x, y, size):
    if "channels_last" in mode and x.dim() == 4:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    opt = adam(model, lr=1e-3)
    forward = torch.compile(model) if "compile" in mode else model
    rows = batches(x, y, size)

    def step():
        a, b = next(rows)
        opt.zero_grad(set_to_none=True)
        loss = F.cross_entropy(forward(a), b.flatten())
        loss.backward()
        opt.step()
        return loss

    return step


def gan_steps():
    width, latent, size = 16, 64, 64

    def up(inputs, outputs):
        return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.ReLU())

    generator = nn.Sequential(
        nn.Linear(latent, 49 * 4 * width), nn.Unflatten(1, (4 * width, 7, 7)), up(4 * width, 2 * width),
        up(2 * width, width), nn.Conv2d(width, 1, 3, padding=1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(49 * 2 * width, 1),
    )  # fmt: skip
    x = torch.rand(512, 1, 28, 28)
    if "channels_last" in mode:
        x = x.to(memory_format=torch.channels_last)
        generator, discriminator = (m.to(memory_format=torch.channels_last) for m in (generator, discriminator))
    opt_g, opt_d = (adam(m, lr=2e-4, betas=(0.5, 0.999)) for m in (generator, discriminator))
    make, judge = (torch.compile(m) if "compile" in mode else m for m in (generator, discriminator))
    rows = batches(x, labels(512), size)
    loss_of = F.binary_cross_entropy_with_logits

    def step():
        real, _ = next(rows)
        with torch.no_grad():
            fake = make(torch.randn(size, latent))
        opt_d.zero_grad(set_to_none=True)
        on_real, on_fake = judge(real), judge(fake)
        loss = loss_of(on_real, torch.full_like(on_real, 0.9)) + loss_of(on_fake, torch.zeros_like(on_fake))
        loss.backward()
        opt_d.step()
        opt_g.zero_grad(set_to_none=True)
        verdict = judge(make(torch.randn(size, latent)))
        loss = loss_of(verdict, torch.ones_like(verdict))
        # The discriminator's own gradients are not wanted.
        loss.backward(inputs=list(generator.parameters()))
        opt_g.step()
        return loss

    return step


step = gan_steps() if case == "gan" else classifier_steps(*globals()[case]())


def run(count):
    for _ in range(count):
        loss = step()
    loss.item()


serve(run, warm_up)
