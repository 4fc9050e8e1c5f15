"""The line of an epoch, word for word, for both tasks."""

import io

import pytest
from rich.console import Console

from cen_keras.training.progress import TrainingProgress
from cen_keras.training.segmentation_task import epoch_line as segmentation
from cen_keras.training.translation_task import epoch_line as translation

SEGMENTATION = {"rgb_miou": 0.4125, "ensemble_miou": float("nan")}
TRANSLATION = {"discriminator_loss": 0.6931, "val_rgb_mae": 0.12345, "val_ensemble_mae": 0.1}


@pytest.mark.parametrize(
    ("line", "scores", "text"),
    [
        (segmentation, SEGMENTATION, "mIoU % rgb 41.2 ensemble -  "),
        (segmentation, {}, ""),
        (
            translation,
            TRANSLATION,
            "discriminator 0.693  MAE rgb 0.1235 ensemble 0.1000  ",
        ),
        (translation, {"discriminator_loss": 0.6931}, "discriminator 0.693  "),
    ],
)
def test_an_epoch_is_a_line(line, scores, text):
    written = io.StringIO()
    console = Console(file=written, width=40, highlight=False)  # narrower than the line
    shown = TrainingProgress(console, ["rgb", "ensemble"], epochs=3, steps=2, line=line)
    logs = {"loss": 1.23456, "exchanged": 0.5, "layers_exchanging": 2, "seconds": 7.4}
    shown.on_epoch_end(1, {**logs, **scores})
    wanted = f"epoch 2/3  loss 1.235  {text}exchanged 50.0 % in 2 layers  7 s\n"
    assert written.getvalue() == wanted
