"""What the tables of the evidence are about: generated rooms, or real pictures."""

import dataclasses
from pathlib import Path

from cen_keras.errors import InputError, suggestion
from recipes.evidence.experiments.real_tables import REAL_TABLES
from recipes.evidence.experiments.tables import TABLES, Table

RESULTS = Path("recipes/results")


@dataclasses.dataclass(frozen=True)
class Study:
    """Tables over one data set, with a page of their own.

    Attributes:
        name: what `--data` takes.
        tables: name -> table.
        results: folder of the CSVs and the page.
        about: what the page says of data and choices.
        short: the same in a sentence.
        section: of the project's page of claims, which holds the findings.
        options: of the command, beside the tables' names.
    """

    name: str
    tables: dict[str, Table]
    results: Path
    about: str
    short: str
    section: str
    options: str = ""

    def table(self, name: str) -> Table:
        """Returns a table by name.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.tables:
            raise InputError(
                f"table {name!r} is unknown{suggestion(name, self.tables)}; `python -m "
                f"recipes.evidence --list{self.options}` shows all."
            )
        return self.tables[name]


ROOMS = Study(
    "rooms",
    TABLES,
    RESULTS,
    """\
Every number is of small generated rooms and short trainings, where the paper (Wang et al., NeurIPS 2020)
trained on NYUDv2, SUN RGB-D and Taskonomy: what holds here is no proof of the paper, what fails here no
disproof. The rooms, those that are scored too, are the same for all seeds.

What was chosen: CEN's sparsity, on seed 0, by the ensemble's score on the views that are scored here; of
the other methods nothing, their options are those of `cen_keras.baselines`.
""",
    "On small generated rooms and short trainings.",
    "evidence",
)

NYUDV2 = Study(
    "nyudv2",
    REAL_TABLES,
    RESULTS / "nyudv2",
    """\
Every number is of NYUDv2's 40 classes at 240x320, from EfficientNet-Lite0 with ImageNet weights and a few
hundred steps of small windows, where the paper (Wang et al., NeurIPS 2020) trained ResNets for hundreds of
epochs at full size. Scored on 436 of the 654 test pictures (those of which we had frames; their depth has 8 bits).

Nothing was chosen by these scores. CEN's penalty and the rate of its scales were chosen on seed 0 by 95 pictures
of the training list that were set aside (the recipe says how they compared); of the other methods nothing, their
options are those of `cen_keras.baselines`.
""",
    "On 436 of NYUDv2's test pictures and short trainings from ImageNet weights.",
    "evidence-nyudv2",
    " --data nyudv2",
)

STUDIES = {study.name: study for study in (ROOMS, NYUDV2)}
