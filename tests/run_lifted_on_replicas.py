"""Run by test_lifting.py in a process of its own: the same steps of a lifted network on one device and on two."""

import json

import keras
import numpy as np
import tensorflow as tf

import cen_keras


def network():
    """Two convolutions around a synchronised norm that exchanges."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="stem")(image)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(x)
    x = keras.layers.BatchNormalization(synchronized=True, name="norm")(x)
    x = keras.layers.ReLU()(x)
    return keras.Model(image, keras.layers.Conv2D(4, 1, name="head")(x))


def train(scope):
    """Returns the weights before and after three steps."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = {
        "rgb": rng.normal(size=(4, 8, 8, 3)).astype("float32"),
        "depth": rng.normal(1, 2, (4, 8, 8, 1)).astype("float32"),
    }
    y = {name: rng.normal(size=(4, 8, 8, 4)).astype("float32") for name in x}
    with scope:
        fusion = cen_keras.Exchange(threshold=0.29, sparsity=0.05, gamma_initializer=0.3)
        lifted = cen_keras.lift(network(), ("rgb", "depth"), fusion)
        # Not Adam: its first steps are the gradient's sign, which rounding may turn.
        lifted.compile(keras.optimizers.SGD(0.05), loss={"rgb": "mse", "depth": "mse"})
    before = [np.array(weight) for weight in lifted.get_weights()]
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat(3)
    lifted.fit(data, verbose=0, shuffle=False)
    return before, lifted.get_weights(), [weight.path for weight in lifted.weights]


def main():
    """Prints one JSON line."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    start, one, paths = train(tf.device("CPU:0"))
    _, two, _ = train(strategy.scope())
    result = {
        path: [float(np.abs(b - a).max()), float(np.abs(c - b).max())]
        for path, a, b, c in zip(paths, start, one, two, strict=True)
    }
    print(json.dumps({"replicas": strategy.num_replicas_in_sync, "weights": result}))


main()
