"""`training.html` of a run folder: how a training stands, in one self-contained page."""

import csv
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cen_keras.files import atomic_path
from cen_keras.pages import figures
from cen_keras.pages.evaluated import Evaluated, legend_of

TEMPLATES = Path(__file__).parent / "templates"
NAME = "training.html"


def read_rows(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a CSV file; none where there is no file."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def environment(*folders: Path) -> Any:
    """Returns jinja2's environment for pages, whose parts lie in this package.

    Args:
        *folders: further templates, which go first.

    Raises:
        ImportError: jinja2 is not installed.
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )


def write_training_page(
    run: Path, streams: Sequence[str], epochs: int, evaluated: Evaluated | None = None
) -> Path:
    """Writes the page from the run's logs and its last evaluation.

    Args:
        run: the run folder, with log.csv and exchange.csv.
        streams: names of the scored outputs.
        epochs: of the whole training.
        evaluated: the last evaluation; None for none yet.

    Returns:
        The page's path.

    Raises:
        ImportError: jinja2 or matplotlib is not installed.
        OSError: the page cannot be written.
    """
    log = read_rows(run / "log.csv")
    shown = evaluated or Evaluated(0)
    page = (
        environment()
        .get_template(NAME)
        .render(
            title=run.name,
            made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            epoch=int(log[-1]["epoch"]) + 1 if log else 0,
            epochs=epochs,
            last=log[-1] if log else {},
            streams=streams,
            curves=figures.training_curves(log, streams),
            rates=figures.exchange_rates(read_rows(run / "exchange.csv")),
            classes=figures.class_bars(shown.iou),
            confusion=None
            if shown.confusion is None
            else figures.confusion(shown.confusion, shown.classes),
            views=[(view.title, view.urls()) for view in shown.views],
            legend=legend_of(shown.classes, shown.palette),
            evaluated=shown.epoch + 1,
        )
    )
    out = run / NAME
    with atomic_path(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return out
