"""The backend as a recipe wants it."""

import os

from cen_keras.errors import InputError
from cen_keras.training.recipe import RecipeBase


def choose_kernels(recipe: RecipeBase) -> None:
    """Switches oneDNN's kernels on for a recipe that need not be deterministic; call it before TensorFlow is imported.

    By itself TensorFlow takes them on some processors only; on others they take a third of a training step away, and
    round otherwise.
    """
    if not recipe.deterministic:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def prepare_backend(recipe: RecipeBase) -> None:
    """Seeds everything and sets the dtype policy; call it before anything is built.

    Raises:
        InputError: an unknown policy, or XLA together with determinism on TensorFlow.
    """
    from cen_keras.quiet import stderr_kept_back

    choose_kernels(recipe)
    with stderr_kept_back():
        import keras

        from cen_keras.layers.fused_norm import allow_fused_norm

        allow_fused_norm(not recipe.deterministic)
        if recipe.deterministic and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if recipe.jit:
                # Keras would go on without XLA.
                raise InputError(
                    "jit=true has no effect on TensorFlow while deterministic=true: add `--set "
                    "deterministic=false`, or leave jit."
                )

            tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(recipe.seed)
        # TensorFlow looks for devices, and notes what it missed, with the first tensor.
        keras.ops.convert_to_tensor(0.0)
    try:
        keras.config.set_dtype_policy(recipe.policy)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"policy {recipe.policy!r} is unknown; take float32, mixed_float16 or mixed_bfloat16."
        ) from error
