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
    split: str = "test"        # what the result is measured on
    form: str = ""             # flags of `athanor models` for the same network
    kwargs: dict = dataclasses.field(default_factory=dict)

    @property
    def steps(self):
        return self.epochs * -(-self.samples // self.batch)

    def data_flags(self, folder):
        return self.data.format(d=folder)

    def flags(self, folder):
        return f"{self.data_flags(folder)} --epochs {self.epochs} --batch {self.batch} {self.train}"


def mnist(model, lr, epochs, **more):
    return Recipe(model, "--data {d}/mnist", f"--optimizer adam --lr {lr} --schedule cosine", f"--optimizer adam --lr {lr}",
                  network=model, samples=60000, epochs=epochs, **more)


def cifar(model, lr, epochs=1, batch=128, **more):
    """SGD with Nesterov's momentum, warm-up, half a cosine down to 0; flips and crops as He et al. 2015."""
    sgd = f"--optimizer sgd --momentum 0.9 --nesterov --weight-decay 5e-4 --lr {lr} --schedule cosine"
    return Recipe(model, "--data {d}/cifar10/cifar10-jpeg.zip --augment flip,crop:4", f"{sgd}:warmup=100",
                  f"{sgd} --warmup 100", network=model, samples=50000, epochs=epochs, batch=batch, **more)


def text(model, lr, epochs, **more):
    """Tiny Shakespeare, its last tenth held back; windows of 64 characters."""
    adam = f"--optimizer adamw --weight-decay 0.01 --clip-norm 1 --lr {lr} --schedule cosine"
    return Recipe(model, "--data {d}/text/tinyshakespeare.txt.gz --val-split 0.1 --sequence 64", f"{adam}:warmup=100",
                  f"{adam} --warmup 100", network=model, samples=15685, epochs=epochs, split="validation",
                  form="--classes 65", **more)


RECIPES = {
    "mlp": mnist("mlp", 1e-3, 10),
    "lenet5": mnist("lenet5", 2e-3, 10),
    "rnn_rows": mnist("rnn_rows", 1e-3, 5),
    "lstm_rows": mnist("lstm_rows", 2e-3, 5),
    "gru_rows": mnist("gru_rows", 2e-3, 5),
    "birnn_rows": mnist("birnn_rows", 1e-3, 3),
    "bilstm_rows": mnist("bilstm_rows", 2e-3, 3),
    "bigru_rows": mnist("bigru_rows", 2e-3, 3),
    "encoder_rows": mnist("encoder_rows", 1e-3, 5),
    "vgg_cifar": cifar("vgg_cifar", 0.05),
    "resnet20": cifar("resnet20", 0.1),
    "resnet32": cifar("resnet32", 0.1),
    "plain20": cifar("plain20", 0.05),
    "alexnet_cifar": cifar("alexnet_cifar", 0.05),
    "nin_cifar": cifar("nin_cifar", 0.05),
    "googlenet_cifar": cifar("googlenet_cifar", 0.1),
    "densenet_cifar": cifar("densenet_cifar", 0.1),
    "char_rnn": text("char_rnn", 1e-3, 4),
    "char_gru": text("char_gru", 2e-3, 4),
    "char_lstm": text("char_lstm", 2e-3, 4),
    "gpt": text("gpt", 1e-3, 6),
    "seq2seq": Recipe("seq2seq", "--data task:dates", "--optimizer adam --lr 3e-3 --schedule cosine --clip-norm 1",
                      "--optimizer adam --lr 3e-3 --clip-norm 1", network="seq2seq", samples=20000, epochs=8,
                      form="--classes 44", kwargs={"vocabulary": 44}),
}
