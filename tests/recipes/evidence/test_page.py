"""The page of evidence: complete, the same twice, and what it refuses."""

import json
import os

import pytest
from made_up_evidence import ABLATION, BASELINES, translations, write_table

from cen_keras.errors import InputError
from recipes.evidence.report.page import write

MARKERS = "# Title\n\n<!-- evidence -->\nBEFORE\n<!-- /evidence -->\n\nend\n"


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "recipes" / "results"
    folder.mkdir(parents=True)
    write_table(folder, "baselines", BASELINES)
    write_table(folder, "ablation", ABLATION)
    write_table(folder, "translation", translations())
    (folder / "gammas.csv").write_text("layer,mean\nnorm,0.5\n")
    return folder


def test_the_page_names_every_file_and_finding(results):
    verdicts = write(results)
    page = (results / "README.md").read_text()
    for name in ("baselines.csv", "ablation.csv", "translation.csv", "gammas.csv", "verdicts.json"):
        assert f"]({name})" in page
    assert "![baselines](baselines.png)" in page and (results / "baselines.png").exists()
    for name, entry in verdicts.items():
        assert f"### {name}: {entry['verdict']}" in page and entry["claim"] in page
    assert json.loads((results / "verdicts.json").read_text()) == verdicts
    # 7 + 6 + 5 rows and 3 seeds of 150 processor-seconds; cen of the segmentations is one.
    trainings = (len(BASELINES) + len(ABLATION) + len(translations()) - 1) * 3
    assert f"| trainings | {trainings} " in page
    assert f"| processor time | {trainings * 150 / 3600:.1f} " in page


def test_a_table_that_is_not_there_is_named_without_a_link(results):
    (results / "translation.csv").unlink()
    write(results)
    page = (results / "README.md").read_text()
    assert "Table: translation.csv, not made yet." in page and "](translation" not in page


def test_the_same_tables_give_the_same_bytes(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(MARKERS)
    write(results, readme)
    files = [*results.iterdir(), readme]
    first = {path: path.read_bytes() for path in files}
    for path in results.glob("*.csv"):
        os.utime(path, (0, 0))
    write(results, readme)
    assert first == {path: path.read_bytes() for path in [*results.iterdir(), readme]}


def test_the_project_s_page_is_changed_between_its_markers_only(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(MARKERS)
    verdicts = write(results, readme)
    text = readme.read_text()
    assert text.startswith("# Title\n\n<!-- evidence -->\n") and text.endswith("-->\n\nend\n")
    assert "BEFORE" not in text and "(recipes/results/README.md)" in text
    assert all(entry["claim"] in text for entry in verdicts.values())
    readme.write_text("no markers")
    write(results, readme)
    assert readme.read_text() == "no markers"


def test_a_broken_marker_names_the_page(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- evidence -->")
    with pytest.raises(InputError, match="README.md: the markers"):
        write(results, readme)


def test_pages_beside_it_are_linked_with_their_pictures(results):
    (results / "theorem.md").write_text("# Theorem 1\n\ntext\n\n![share](theorem.png)\n")
    write(results)
    page = (results / "README.md").read_text()
    assert "## Theorem 1" in page and "[theorem.md](theorem.md)" in page
    assert "![share](theorem.png)" in page and "shows.md" not in page


def test_a_bad_line_names_file_and_line(results):
    path = results / "ablation.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[4] = lines[4].replace("shared_shared,1,", "shared_shared,one,")
    assert "one," in lines[4]
    path.write_text("".join(lines))
    with pytest.raises(InputError, match=r"ablation\.csv, line 5: seed"):
        write(results)
    assert not (results / "README.md").exists()


def test_a_cell_twice_is_refused(results):
    path = results / "ablation.csv"
    text = path.read_text()
    path.write_text(text + text.splitlines(keepends=True)[1])
    with pytest.raises(InputError, match="twice"):
        write(results)


def test_two_sizes_of_one_row_are_refused(results):
    path = results / "baselines.csv"
    path.write_text(path.read_text().replace("1050002", "1050003", 1))
    with pytest.raises(InputError, match="concat have parameters"):
        write(results)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match="no table of evidence"):
        write(tmp_path)
