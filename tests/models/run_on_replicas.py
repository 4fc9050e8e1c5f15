"""Run by test_adversarial.py in a process of its own: the same steps on one device and on two."""

import json

import keras
import numpy as np
import tensorflow as tf

from cen_keras.fusion import Exchange
from cen_keras.models import Translator


def losses_and_weights(scope):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = {m: np.tanh(rng.normal(size=(4, 32, 32, 3))).astype("float32") for m in "ab"}
    y = np.tanh(x["a"] + x["b"])
    with scope:
        model = Translator(
            ("a", "b"),
            "c",
            base_filters=4,
            discriminator_filters=4,
            depth=4,
            fusion=Exchange(threshold=1e-2, sparsity=0.1, scope="all"),
        )
        # Not Adam: its first steps are the gradient's sign, which rounding may turn.
        model.compile(keras.optimizers.SGD(1e-3), keras.optimizers.SGD(0.1))
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat(3)
    history = model.fit(data, verbose=0, shuffle=False).history
    return history, np.concatenate([w.ravel() for w in model.get_weights()])


def main():
    """Prints one JSON line."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    one, weights = losses_and_weights(tf.device("CPU:0"))
    two, again = losses_and_weights(strategy.scope())
    result = {
        "replicas": strategy.num_replicas_in_sync,
        "one": {name: values[0] for name, values in one.items()},
        "two": {name: values[0] for name, values in two.items()},
        "weights": float(np.abs(weights - again).max()),
        "moved": float(np.abs(weights).max()),
    }
    print(json.dumps(result))


main()
