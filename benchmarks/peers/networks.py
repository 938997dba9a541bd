"""The networks of models/ in plain PyTorch, with the same parameter names as the .ath files.

Each is a function of the number of classes, the width (models/models.h: ModelOptions) and the ratio of dropout, None for
the network's own; INPUTS has the sizes of one sample. Images have 32 or 224 pixels, but the fully connected layers behind a
flattening are made when they are first used, so that other sizes work too.
"""
import torch
from torch import nn
import torch.nn.functional as F


def scaled(channels, width):
    if width == 1:
        return channels
    wanted = channels * width
    return max(1, int(wanted + 0.5)) if wanted < 16 else 8 * int(wanted / 8 + 0.5)


class LeNet5(nn.Module):
    def __init__(self, classes=10, width=1, dropout=None):
        super().__init__()
        c1, c2, f1, f2 = (scaled(c, width) for c in (6, 16, 120, 84))
        self.conv1, self.conv2 = nn.Conv2d(1, c1, 5, padding=2), nn.Conv2d(c1, c2, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(25 * c2, f1), nn.Linear(f1, f2), nn.Linear(f2, classes)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x))).flatten(1)
        return self.fc3(self.relu(self.fc2(self.relu(self.fc1(x)))))


class Mlp(nn.Module):
    def __init__(self, classes=10, width=1, dropout=None):
        super().__init__()
        h = scaled(512, width)
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, h), nn.Linear(h, h), nn.Linear(h, classes)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.fc3(self.relu(self.fc2(self.relu(self.fc1(x.flatten(1))))))


class Sequential(nn.Module):
    """`features`, flattened, then `classifier`."""

    def __init__(self, features, classifier):
        super().__init__()
        self.features, self.classifier = features, classifier

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def alexnet(classes=1000, width=1, dropout=None):
    c = [3] + [scaled(n, width) for n in (64, 192, 384, 256, 256)]
    h, p = scaled(4096, width), 0.5 if dropout is None else dropout
    features = nn.Sequential(
        nn.Conv2d(3, c[1], 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(c[1], c[2], 5, 1, 2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(c[2], c[3], 3, 1, 1), nn.ReLU(), nn.Conv2d(c[3], c[4], 3, 1, 1), nn.ReLU(),
        nn.Conv2d(c[4], c[5], 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2))
    return Sequential(features, nn.Sequential(nn.Dropout(p), nn.LazyLinear(h), nn.ReLU(), nn.Dropout(p), nn.Linear(h, h),
                                              nn.ReLU(), nn.Linear(h, classes)))


def alexnet_cifar(classes=10, width=1, dropout=None):
    c = [3] + [scaled(n, width) for n in (48, 96, 192, 128, 128)]
    h, p = scaled(512, width), 0.5 if dropout is None else dropout
    layers = []
    for i, (kernel, pool) in enumerate([(5, True), (3, True), (3, False), (3, False), (3, True)]):
        layers += [nn.Conv2d(c[i], c[i + 1], kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(c[i + 1]), nn.ReLU()]
        if pool:
            layers.append(nn.MaxPool2d(3, 2, 1))
    return Sequential(nn.Sequential(*layers),
                      nn.Sequential(nn.Dropout(p), nn.LazyLinear(h), nn.ReLU(), nn.Dropout(p), nn.Linear(h, h), nn.ReLU(),
                                    nn.Linear(h, classes)))


def vgg_features(blocks, width, norm):
    layers, before = [], 3
    for convolutions, channels in blocks:
        for _ in range(convolutions):
            c = scaled(channels, width)
            layers.append(nn.Conv2d(before, c, 3, padding=1, bias=not norm))
            layers += [nn.BatchNorm2d(c), nn.ReLU()] if norm else [nn.ReLU()]
            before = c
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def vgg(*convolutions):
    def make(classes=1000, width=1, dropout=None):
        h, p = scaled(4096, width), 0.5 if dropout is None else dropout
        features = vgg_features(list(zip(convolutions, (64, 128, 256, 512, 512))), width, norm=False)
        return Sequential(features, nn.Sequential(nn.LazyLinear(h), nn.ReLU(), nn.Dropout(p), nn.Linear(h, h), nn.ReLU(),
                                                  nn.Dropout(p), nn.Linear(h, classes)))
    return make


def vgg_cifar(classes=10, width=1, dropout=None):
    features = vgg_features([(1, 32), (1, 64), (2, 128), (2, 256), (2, 256)], width, norm=True)
    features.append(nn.Dropout(dropout or 0))
    return Sequential(features, nn.LazyLinear(classes))


class Nin(nn.Module):
    """stages: kernel, stride and padding of the first convolution, and three numbers of channels."""

    def __init__(self, stages, pool, norm, dropout):
        super().__init__()
        self.count, self.pool, self.drop = len(stages), pool, nn.Dropout(0.5 if dropout is None else dropout)
        before = 3
        for s, (kernel, stride, pad, channels) in enumerate(stages):
            block = nn.Module()
            for i, c in enumerate(channels):
                first = i == 0
                block.add_module(str(i), nn.Conv2d(before, c, kernel if first else 1, stride if first else 1,
                                                   pad if first else 0, bias=not norm))
                if norm:
                    block.add_module(f"bn{i}", nn.BatchNorm2d(c))
                before = c
            self.add_module(f"block{s + 1}", block)

    def forward(self, x):
        for s in range(1, self.count + 1):
            if s == self.count:
                x = self.drop(x)
            for layer in getattr(self, f"block{s}").children():
                x = layer(x)
                if isinstance(layer, nn.BatchNorm2d) or not any("bn" in n for n, _ in getattr(self, f"block{s}").named_children()):
                    x = F.relu(x)
            if s < self.count:
                x = self.pool(x)
        return x.mean((2, 3))


def nin(classes=1000, width=1, dropout=None):
    def w(*channels):
        return [scaled(c, width) for c in channels]
    return Nin([(11, 4, 0, w(96, 96, 96)), (5, 1, 2, w(256, 256, 256)), (3, 1, 1, w(384, 384, 384)),
                (3, 1, 1, w(1024, 1024) + [classes])], nn.MaxPool2d(3, 2), False, dropout)


def nin_cifar(classes=10, width=1, dropout=None):
    def w(*channels):
        return [scaled(c, width) for c in channels]
    return Nin([(5, 1, 2, w(96, 80, 48)), (5, 1, 2, w(96, 96, 96)), (3, 1, 1, w(96, 96) + [classes])],
               nn.MaxPool2d(3, 2, 1), True, dropout)


def conv_relu(before, after, kernel, stride=1, norm=False):
    if not norm:
        return nn.Conv2d(before, after, kernel, stride, kernel // 2)
    unit = nn.Module()
    unit.conv, unit.bn = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(after)
    unit.forward = lambda x: unit.bn(unit.conv(x))
    return unit


class Inception(nn.Module):
    def __init__(self, before, c1, c3r, c3, c5r, c5, cp, norm):
        super().__init__()
        self.branch1 = conv_relu(before, c1, 1, norm=norm)
        self.branch2 = nn.ModuleList([conv_relu(before, c3r, 1, norm=norm), conv_relu(c3r, c3, 3, norm=norm)])
        self.branch3 = nn.ModuleList([conv_relu(before, c5r, 1, norm=norm), conv_relu(c5r, c5, 5, norm=norm)])
        self.branch4 = nn.ModuleDict({"1": conv_relu(before, cp, 1, norm=norm)})
        self.channels = c1 + c3 + c5 + cp

    def forward(self, x):
        two, three = (F.relu(b[1](F.relu(b[0](x)))) for b in (self.branch2, self.branch3))
        four = F.relu(self.branch4["1"](F.max_pool2d(x, 3, 1, 1)))
        return torch.cat([F.relu(self.branch1(x)), two, three, four], 1)


class GoogLeNet(nn.Module):
    """stem: (name, channels, kernel, stride) or "pool"; blocks: (name, six numbers of channels) or "pool"."""

    def __init__(self, stem, blocks, classes, width, dropout, norm):
        super().__init__()
        self.order, before = [], 3
        for layer in stem:
            if layer != "pool":
                name, channels, kernel, stride = layer
                self.add_module(name, conv_relu(before, scaled(channels, width), kernel, stride, norm))
                before = scaled(channels, width)
            self.order.append("pool" if layer == "pool" else layer[0])
        for block in blocks:
            if block != "pool":
                inception = Inception(before, *[scaled(c, width) for c in block[1:]], norm)
                self.add_module("inception" + block[0], inception)
                before = inception.channels
            self.order.append("pool" if block == "pool" else "inception" + block[0])
        self.drop, self.fc = nn.Dropout(0.4 if dropout is None else dropout), nn.Linear(before, classes)

    def forward(self, x):
        for name in self.order:
            if name == "pool":
                x = F.max_pool2d(x, 3, 2, 1)
            elif name.startswith("inception"):
                x = getattr(self, name)(x)
            else:
                x = F.relu(getattr(self, name)(x))
        return self.fc(self.drop(x.mean((2, 3))))


def googlenet(classes=1000, width=1, dropout=None):
    return GoogLeNet([("conv1", 64, 7, 2), "pool", ("conv2", 64, 1, 1), ("conv3", 192, 3, 1), "pool"],
                     [("3a", 64, 96, 128, 16, 32, 32), ("3b", 128, 128, 192, 32, 96, 64), "pool",
                      ("4a", 192, 96, 208, 16, 48, 64), ("4b", 160, 112, 224, 24, 64, 64),
                      ("4c", 128, 128, 256, 24, 64, 64), ("4d", 112, 144, 288, 32, 64, 64),
                      ("4e", 256, 160, 320, 32, 128, 128), "pool", ("5a", 256, 160, 320, 32, 128, 128),
                      ("5b", 384, 192, 384, 48, 128, 128)], classes, width, dropout, False)


def googlenet_cifar(classes=10, width=1, dropout=None):
    return GoogLeNet([("conv1", 64, 3, 1), "pool"],
                     [("3a", 32, 48, 64, 8, 16, 16), ("3b", 64, 64, 96, 16, 48, 32), "pool",
                      ("4a", 96, 48, 104, 8, 24, 32), ("4b", 80, 56, 112, 12, 32, 32),
                      ("4e", 128, 80, 160, 16, 64, 64)], classes, width, dropout, True)


class Residual(nn.Module):
    def __init__(self, before, channels, stride, bottleneck):
        super().__init__()
        after = 4 * channels if bottleneck else channels
        if bottleneck:
            shapes = [(before, channels, 1, 1), (channels, channels, 3, stride), (channels, after, 1, 1)]
        else:
            shapes = [(before, channels, 3, stride), (channels, after, 3, 1)]
        self.count = len(shapes)
        for i, (a, b, kernel, s) in enumerate(shapes, 1):
            self.add_module(f"conv{i}", nn.Conv2d(a, b, kernel, s, kernel // 2, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(b))
        self.downsample = nn.Identity()
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = F.relu(y)
        return F.relu(y + self.downsample(x))


class ResNet(nn.Module):
    def __init__(self, blocks, bottleneck, cifar, classes, width, dropout):
        super().__init__()
        before = scaled(64, width)
        self.conv1 = nn.Conv2d(3, before, 3, 1, 1, bias=False) if cifar else nn.Conv2d(3, before, 7, 2, 3, bias=False)
        self.bn1, self.cifar = nn.BatchNorm2d(before), cifar
        for stage, n in enumerate(blocks):
            channels, layer = scaled(64 << stage, width), nn.Sequential()
            for i in range(n):
                layer.append(Residual(before, channels, 2 if i == 0 and stage > 0 else 1, bottleneck))
                before = 4 * channels if bottleneck else channels
            self.add_module(f"layer{stage + 1}", layer)
        self.drop, self.fc = nn.Dropout(dropout or 0), nn.Linear(before, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if not self.cifar:
            x = F.max_pool2d(x, 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.drop(x.mean((2, 3))))


def resnet(blocks, bottleneck, cifar=False):
    return lambda classes=10 if cifar else 1000, width=1, dropout=None: ResNet(blocks, bottleneck, cifar, classes, width, dropout)


class PaperBlock(nn.Module):
    """Two convolutions; the shortcut has no parameters: every second pixel, and zero channels."""

    def __init__(self, before, channels, stride, shortcut):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        self.stride, self.more, self.shortcut = stride, channels - before, shortcut

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.shortcut:
            skip = x[:, :, ::self.stride, ::self.stride]
            y = y + F.pad(skip, (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(y)


class PaperResNet(nn.Module):
    def __init__(self, blocks, shortcut, classes, width):
        super().__init__()
        before = scaled(16, width)
        self.conv1, self.bn1 = nn.Conv2d(3, before, 3, 1, 1, bias=False), nn.BatchNorm2d(before)
        for stage in range(3):
            channels, layer = scaled(16 << stage, width), nn.Sequential()
            for i in range(blocks):
                layer.append(PaperBlock(before, channels, 2 if i == 0 and stage > 0 else 1, shortcut))
                before = channels
            self.add_module(f"layer{stage + 1}", layer)
        self.fc = nn.Linear(before, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


def paper_resnet(blocks, shortcut=True):
    return lambda classes=10, width=1, dropout=None: PaperResNet(blocks, shortcut, classes, width)


class DenseLayer(nn.Module):
    def __init__(self, before, growth, bottleneck, dropout):
        super().__init__()
        self.bottleneck, self.drop = bottleneck, nn.Dropout(dropout)
        middle = 4 * growth if bottleneck else before
        self.norm1 = nn.BatchNorm2d(before)
        if bottleneck:
            self.conv1, self.norm2 = nn.Conv2d(before, middle, 1, bias=False), nn.BatchNorm2d(middle)
            self.conv2 = nn.Conv2d(middle, growth, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(before, growth, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv1(F.relu(self.norm1(x)))
        if self.bottleneck:
            y = self.conv2(F.relu(self.norm2(y)))
        return torch.cat([x, self.drop(y)], 1)


def densenet(blocks, growth, stem, bottleneck=True, compression=True, cifar=False):
    def make(classes=10 if cifar else 1000, width=1, dropout=None):
        g, c = scaled(growth, width), scaled(stem, width)
        f = nn.Sequential()
        f.add_module("conv0", nn.Conv2d(3, c, 3, padding=1, bias=False) if cifar else nn.Conv2d(3, c, 7, 2, 3, bias=False))
        if not cifar:
            f.add_module("norm0", nn.BatchNorm2d(c))
            f.add_module("relu0", nn.ReLU())
            f.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        for b, n in enumerate(blocks, 1):
            block = nn.Sequential()
            for i in range(1, n + 1):
                block.add_module(f"denselayer{i}", DenseLayer(c, g, bottleneck, dropout or 0))
                c += g
            f.add_module(f"denseblock{b}", block)
            if b < len(blocks):
                after, t = c // 2 if compression else c, nn.Sequential()
                t.add_module("norm", nn.BatchNorm2d(c))
                t.add_module("relu", nn.ReLU())
                t.add_module("conv", nn.Conv2d(c, after, 1, bias=False))
                t.add_module("pool", nn.AvgPool2d(2))
                f.add_module(f"transition{b}", t)
                c = after
        f.add_module(f"norm{len(blocks) + 1}", nn.BatchNorm2d(c))
        f.add_module("relu", nn.ReLU())
        f.add_module("pool", nn.AdaptiveAvgPool2d(1))
        return Sequential(f, nn.Linear(c, classes))
    return make


class InvertedResidual(nn.Module):
    def __init__(self, before, after, stride, expand):
        super().__init__()
        middle = before * expand

        def unit(a, b, kernel, s, groups):
            return nn.Sequential(nn.Conv2d(a, b, kernel, s, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(b), nn.ReLU6())
        layers = [] if expand == 1 else [unit(before, middle, 1, 1, 1)]
        layers += [unit(middle, middle, 3, stride, middle), nn.Conv2d(middle, after, 1, bias=False), nn.BatchNorm2d(after)]
        self.conv, self.add = nn.Sequential(*layers), stride == 1 and before == after

    def forward(self, x):
        return x + self.conv(x) if self.add else self.conv(x)


def mobilenet_v2(classes=1000, width=1, dropout=None):
    c, last = scaled(32, width), scaled(1280, max(1.0, width))
    layers = [nn.Sequential(nn.Conv2d(3, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU6())]
    for expand, channels, n, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                        (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(n):
            layers.append(InvertedResidual(c, scaled(channels, width), stride if i == 0 else 1, expand))
            c = scaled(channels, width)
    layers.append(nn.Sequential(nn.Conv2d(c, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU6()))
    layers.append(nn.AdaptiveAvgPool2d(1))
    return Sequential(nn.Sequential(*layers), nn.Sequential(nn.Dropout(dropout or 0), nn.Linear(last, classes)))


class Lstm(nn.Module):
    def __init__(self, classes=10, width=1, dropout=None):
        super().__init__()
        self.rnn, self.head = nn.LSTM(128, 256, batch_first=True), nn.Linear(256, classes)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


class EncoderLayer(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.n1, self.qkv, self.out = nn.LayerNorm(size), nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.n2, self.up, self.down = nn.LayerNorm(size), nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, x):
        n, t, size = x.shape
        q, k, v = (p.view(n, t, self.heads, -1).transpose(1, 2) for p in self.qkv(self.n1(x)).split(size, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, size))
        return x + self.down(F.gelu(self.up(self.n2(x))))


class Encoder(nn.Module):
    def __init__(self, classes=10, width=1, dropout=None):
        super().__init__()
        self.layers = nn.Sequential(*[EncoderLayer(256, 4) for _ in range(4)])
        self.norm, self.head = nn.LayerNorm(256), nn.Linear(256, classes)

    def forward(self, x):
        return self.head(self.norm(self.layers(x)).mean(1))


NETWORKS = {
    "lenet5": LeNet5, "mlp": Mlp, "lstm": Lstm, "encoder": Encoder,
    "alexnet": alexnet, "vgg11": vgg(1, 1, 2, 2, 2), "vgg13": vgg(2, 2, 2, 2, 2), "vgg16": vgg(2, 2, 3, 3, 3),
    "vgg19": vgg(2, 2, 4, 4, 4), "nin": nin, "googlenet": googlenet,
    "resnet18": resnet([2, 2, 2, 2], False), "resnet34": resnet([3, 4, 6, 3], False),
    "resnet50": resnet([3, 4, 6, 3], True), "resnet101": resnet([3, 4, 23, 3], True),
    "densenet121": densenet([6, 12, 24, 16], 32, 64), "densenet169": densenet([6, 12, 32, 32], 32, 64),
    "mobilenet_v2": mobilenet_v2,
    "alexnet_cifar": alexnet_cifar, "vgg_cifar": vgg_cifar, "nin_cifar": nin_cifar, "googlenet_cifar": googlenet_cifar,
    "resnet18_cifar": resnet([2, 2, 2, 2], False, cifar=True),
    "resnet20": paper_resnet(3), "resnet32": paper_resnet(5), "resnet56": paper_resnet(9),
    "plain20": paper_resnet(3, shortcut=False), "plain56": paper_resnet(9, shortcut=False),
    "densenet_cifar": densenet([6, 6, 6], 12, 24, cifar=True),
    "densenet40": densenet([12, 12, 12], 12, 16, bottleneck=False, compression=False, cifar=True),
}

_BIG = ("alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "nin", "googlenet", "resnet18", "resnet34", "resnet50", "resnet101",
        "densenet121", "densenet169", "mobilenet_v2")
INPUTS = {name: (3, 224, 224) if name in _BIG else (3, 32, 32) for name in NETWORKS}
INPUTS |= {"lenet5": (1, 28, 28), "mlp": (1, 28, 28), "lstm": (64, 128), "encoder": (128, 256)}
