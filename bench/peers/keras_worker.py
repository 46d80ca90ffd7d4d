"""Keras' side: keras_worker.py CASE MODE WARM_UP THREADS, where MODE is graph or xla, and graph*32 is 32 steps an execution."""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
case, (mode, _, several), warm_up, threads = sys.argv[1], sys.argv[2].partition("*"), int(sys.argv[3]), int(sys.argv[4])
at_once = int(several or 1)

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

from protocol import serve  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)
XLA = mode == "xla"
rng = np.random.default_rng(1)


def labels(count, classes=10):
    return (np.arange(count) % classes).astype("int32")


def mlp():
    model = keras.Sequential(
        [keras.Input((32,)), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(10)]
    )
    return model, rng.random((512, 32), "float32"), labels(512), 32


def lenet():
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(16, 5, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(32, 5, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(10),
    ])  # fmt: skip
    return model, rng.random((512, 28, 28, 1), "float32"), labels(512), 64


def resnet():
    def conv_norm(x, filters, kernel=3, stride=1):
        x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    def residual(x, filters, stride):
        y = layers.ReLU()(conv_norm(x, filters, 3, stride))
        around = conv_norm(x, filters, 1, stride) if x.shape[-1] != filters else x
        return layers.ReLU()(layers.Add()([conv_norm(y, filters), around]))

    given = keras.Input((32, 32, 3))
    x = layers.ReLU()(conv_norm(given, 16))
    for filters, stride in [(16, 1)] * 3 + [(32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1)]:
        x = residual(x, filters, stride)
    model = keras.Model(given, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
    return model, rng.random((512, 32, 32, 3), "float32"), labels(512), 32


def gpt():
    width, heads, context, vocab = 128, 4, 128, 256

    class Positions(layers.Layer):
        def build(self, _):
            self.table = self.add_weight((context, width), "random_normal")

        def call(self, x):
            return x + self.table

    embed = layers.Embedding(vocab, width)

    class Head(layers.Layer):
        def call(self, x):
            return keras.ops.matmul(x, keras.ops.transpose(embed.embeddings))

    given = keras.Input((context,), dtype="int32")
    x = Positions()(embed(given))
    for _ in range(4):
        normed = layers.LayerNormalization(epsilon=1e-5)(x)
        x = x + layers.MultiHeadAttention(heads, width // heads)(normed, normed, use_causal_mask=True)
        normed = layers.LayerNormalization(epsilon=1e-5)(x)
        up = layers.Dense(4 * width, lambda v: keras.activations.gelu(v, approximate=True))(normed)
        x = x + layers.Dense(width)(up)
    model = keras.Model(given, Head()(layers.LayerNormalization(epsilon=1e-5)(x)))
    tokens = (np.arange(64 * (context + 1)) * 7919 % vocab).astype("int32").reshape(64, context + 1)
    return model, tokens[:, :-1], tokens[:, 1:], 8


def lstm():
    model = keras.Sequential([keras.Input((32, 16)), layers.LSTM(64), layers.Dense(10)])
    return model, rng.random((512, 32, 16), "float32"), labels(512), 32


def gan():
    width, latent = 16, 64

    def up(filters):
        return [layers.Conv2DTranspose(filters, 4, 2, padding="same"),
                layers.BatchNormalization(momentum=0.9, epsilon=1e-5), layers.ReLU()]  # fmt: skip

    class Gan(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator = keras.Sequential([
                keras.Input((latent,)), layers.Dense(49 * 4 * width), layers.Reshape((7, 7, 4 * width)),
                *up(2 * width), *up(width), layers.Conv2D(1, 3, padding="same", activation="tanh"),
            ])  # fmt: skip
            self.discriminator = keras.Sequential([
                keras.Input((28, 28, 1)),
                layers.Conv2D(width, 4, 2, padding="same"), layers.LeakyReLU(0.2),
                layers.Conv2D(2 * width, 4, 2, padding="same"), layers.LeakyReLU(0.2),
                layers.Flatten(), layers.Dense(1),
            ])  # fmt: skip
            self.opt_g, self.opt_d = (keras.optimizers.Adam(2e-4, 0.5, 0.999) for _ in range(2))
            self.opt_g.build(self.generator.trainable_variables)
            self.opt_d.build(self.discriminator.trainable_variables)

        def call(self, x):
            return self.discriminator(x)

        def train_step(self, data):
            real, _ = data

            def loss_of(logits, target):
                both = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.fill(tf.shape(logits), target), logits=logits)
                return tf.reduce_mean(both)

            fake = self.generator(tf.random.normal((64, latent)), training=True)
            with tf.GradientTape() as tape:
                loss = loss_of(self.discriminator(real), 0.9) + loss_of(self.discriminator(fake), 0.0)
            weights = self.discriminator.trainable_variables
            self.opt_d.apply(tape.gradient(loss, weights), weights)
            with tf.GradientTape() as tape:
                made = self.generator(tf.random.normal((64, latent)), training=True)
                loss = loss_of(self.discriminator(made), 1.0)
            weights = self.generator.trainable_variables
            self.opt_g.apply(tape.gradient(loss, weights), weights)
            return {"loss": loss}

    model = Gan()
    model.built = True
    return model, rng.random((512, 28, 28, 1), "float32"), labels(512), 64


model, x, y, size = globals()[case]()
model.compile(
    keras.optimizers.Adam(1e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    jit_compile=XLA,
    steps_per_execution=at_once,
)
rows = tf.data.Dataset.from_tensor_slices((x, y)).batch(size, drop_remainder=True).cache().repeat().prefetch(2)
# What `fit` calls for each step, without what it does between epochs.
model.make_train_function()
batches = iter(rows)


def run(count):
    for _ in range(count // at_once):
        logs = model.train_function(batches)
    float(np.asarray(tf.nest.flatten(logs)[0]).mean())


serve(run, warm_up, at_once)
