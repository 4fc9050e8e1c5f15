"""The tables' settings apply to their recipes, and equal trainings are one cell."""

import shlex
import types

import pytest

from cen_keras.errors import InputError
from cen_keras.modalities import modality_of
from cen_keras.training.task import task_of
from recipes.evidence.experiments.cells import Cell
from recipes.evidence.experiments.studies import NYUDV2, ROOMS, STUDIES
from recipes.evidence.experiments.tables import TABLES, cells_of
from recipes.evidence.run.cell import make_parser

# Of rows with the same settings, which stand in several tables, one is enough.
ROWS = {
    (content.recipe, row.settings): (study, table, name)
    for study in STUDIES
    for table, content in STUDIES[study].tables.items()
    for name, row in content.rows.items()
}


def cell_of(table, row, seed=1, study="rooms"):
    return cells_of(STUDIES[study].table(table), seed, (row,))[row]


@pytest.mark.parametrize(("study", "table", "row"), ROWS.values())
def test_a_row_builds_a_model_of_its_recipe(study, table, row):
    recipe = cell_of(table, row, study=study).made()
    loader = types.SimpleNamespace(
        views=types.SimpleNamespace(classes=tuple("abcdefghijklm"), palette=()),
        descriptions={name: modality_of(name) for name in recipe.model["modalities"]},
    )
    model = task_of(recipe).build_model(recipe, loader)
    assert model.modalities == tuple(recipe.model["modalities"])
    assert recipe.seed == 1
    # What the loader will be asked for is rendered, and has a normalisation.
    if "domains" in recipe.data:
        assert {*model.modalities, "label"} == set(recipe.data["domains"])
        assert set(model.modalities) - {"rgb"} <= set(recipe.normalization)


@pytest.mark.parametrize(("study", "table", "row"), ROWS.values())
def test_the_command_is_read_as_the_very_training(study, table, row):
    cell = cell_of(table, row, study=study)
    python, dash_m, module, *arguments = shlex.split(cell.command)
    assert (python, dash_m, module) == ("python", "-m", "recipes.evidence.run")
    options = make_parser().parse_args(arguments)
    assert Cell(options.recipe, tuple(options.set), options.seed).made() == cell.made()


def test_no_two_rows_of_a_table_are_one_training_and_cen_is_one_in_all():
    for name, table in TABLES.items():
        digests = [cell.digest for cell in cells_of(table, 0).values()]
        assert len(set(digests)) == len(digests), name
    same = {cell_of(name, "cen").folder for name in TABLES if "cen" in TABLES[name].rows}
    assert len(same) == 2  # segmentation and translation
    assert cell_of("modalities", "rgb_depth").folder in same
    # "modalities" spells what the recipe has by itself.
    assert cell_of("stages", "concat_all").folder == cell_of("baselines", "concat").folder


def test_the_digest_is_of_the_training_not_of_its_spelling():
    settings = ("model.fusion.sparsity=0.001", "model.fusion.private_filters=true", "epochs=2")
    cell = Cell("rooms_evidence", settings, 3)
    assert Cell("rooms_evidence", settings[::-1], 3).folder == cell.folder
    assert (
        Cell("rooms_evidence", ("model.fusion.sparsity=1e-3", *settings[1:]), 3).digest
        == cell.digest
    )
    for same in ("workers=7", "data.cache=elsewhere", "model.modalities=rgb,depth"):
        assert Cell("rooms_evidence", (*settings, same), 3).digest == cell.digest, same
    assert Cell("rooms_evidence", settings, 4).digest == cell.digest
    assert Cell("rooms_evidence", settings, 4).folder != cell.folder
    for other in ("epochs=3", "data.seed=1", "model.modalities=depth,rgb", "batch=15"):
        assert Cell("rooms_evidence", (*settings, other), 3).digest != cell.digest, other
    assert Cell("rooms_tiny", settings, 3).digest != cell.digest


def test_a_translations_digest_holds_what_its_distances_are_made_of(monkeypatch):
    from recipes.evidence.experiments import cells

    cen = cell_of("translation", "cen")
    before = cen.digest
    other = Cell("rooms_evidence", (*cells.FEATURES.settings, "epochs=5"), 0)
    monkeypatch.setattr(cells, "FEATURES", other)
    assert cen.digest != before


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match=r"'ablatoin' is unknown .did you mean 'ablation'"):
        ROOMS.table("ablatoin")
    with pytest.raises(InputError, match=r"row 'cne' is unknown .did you mean 'cen'.*known: rgb"):
        cells_of(ROOMS.table("baselines"), 0, ("cne",))


def test_where_the_pictures_lie_is_no_part_of_a_training():
    cell = cell_of("baselines", "cen", study="nyudv2")
    moved = Cell(cell.recipe, (*cell.settings, "data.root=elsewhere"), cell.seed)
    assert moved.digest == cell.digest and moved.made().data["root"] == "elsewhere"


def test_of_real_pictures_no_two_rows_are_one_training_and_cen_is_one_in_all():
    for name, table in NYUDV2.tables.items():
        digests = [cell.digest for cell in cells_of(table, 0).values()]
        assert len(set(digests)) == len(digests), name
    assert len({cell_of(name, "cen", study="nyudv2").folder for name in NYUDV2.tables}) == 1


def test_only_a_penalty_gives_the_scales_a_rate_of_their_own():
    for name, table in NYUDV2.tables.items():
        for row in table.rows:
            recipe = cell_of(name, row, study="nyudv2").made()
            penalised = recipe.model["fusion"]["name"] == "exchange"
            assert (recipe.optimizer.scale_learning_rate is not None) == penalised, row
