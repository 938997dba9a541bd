"""How each network of the zoo is trained: what its card in docs/models.md gives as its command."""
import dataclasses


@dataclasses.dataclass
class Recipe:
    model: str                 # of the zoo
    data: str                  # flags for the data; {d} is the folder of the data sets
    train: str                 # the other flags
    twin: str                  # the same for torch_twin.py
    network: str = ""          # in benchmarks/peers/networks.py; empty: there is no PyTorch form
    samples: int = 0           # of an epoch
    batch: int = 64
    epochs: int = 1
    form: str = ""             # flags of `athanor models` for the same network
    kwargs: dict = dataclasses.field(default_factory=dict)

    @property
    def steps(self):
        return self.epochs * -(-self.samples // self.batch)

    def data_flags(self, folder):
        return self.data.format(d=folder)

    def flags(self, folder):
        return f"{self.data_flags(folder)} --epochs {self.epochs} --batch {self.batch} {self.train}"


def mnist(model, train, twin, **more):
    return Recipe(model, "--data {d}/mnist", train, twin, samples=60000, **more)


def cifar(model, epochs, lr, batch=128, **more):
    """SGD with Nesterov's momentum, warm-up, half a cosine down to 0; flips and crops, as He et al. 2015."""
    steps = -(-50000 // batch)
    return Recipe(model, "--data {d}/cifar10/cifar10-jpeg.zip --normalize standardize --augment flip,crop:4",
                  f"--optimizer sgd --momentum 0.9 --nesterov --weight-decay 5e-4 --lr {lr} --schedule cosine:warmup={steps // 2}",
                  f"--optimizer sgd --momentum 0.9 --nesterov --weight-decay 5e-4 --lr {lr} --schedule cosine --warmup {steps // 2}",
                  network=more.pop("network", model), samples=50000, batch=batch, epochs=epochs, **more)


ADAM = "--optimizer adam --lr {lr} --schedule cosine"


def adam(lr, more=""):
    text = ADAM.format(lr=lr) + more
    return text, text


RECIPES = {
    "lenet5": mnist("lenet5", *adam(2e-3), network="lenet5", batch=64, epochs=10),
    "mlp": mnist("mlp", *adam(1e-3), network="mlp", batch=64, epochs=10),
    "lstm_rows": mnist("lstm_rows", *adam(2e-3), network="lstm_rows", batch=64, epochs=6),
    "gru_rows": mnist("gru_rows", *adam(2e-3), network="gru_rows", batch=64, epochs=6),
    "resnet20": cifar("resnet20", epochs=5, lr=0.1),
    "densenet_cifar": cifar("densenet_cifar", epochs=3, lr=0.1),
    "vgg_cifar": cifar("vgg_cifar", epochs=4, lr=0.05),
    "nin_cifar": cifar("nin_cifar", epochs=4, lr=0.05),
    "googlenet_cifar": cifar("googlenet_cifar", epochs=4, lr=0.1),
    "alexnet_cifar": cifar("alexnet_cifar", epochs=4, lr=0.05),
}
