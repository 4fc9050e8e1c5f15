"""Tables as Markdown and the markers of a page's section."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_evidence import ABLATION, BASELINES, translations, write_table

from cen_keras.errors import InputError
from recipes.evidence.report.rendering import (
    cost_table,
    difference,
    markdown,
    probability,
    replace_section,
    score_table,
    with_spread,
)
from recipes.evidence.statistics.paired import Paired, compare
from recipes.evidence.statistics.scores import Scores, read_lines


def cells(table):
    """Row name -> cells of a Markdown table, by heading."""
    head, _, *body = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in table.split("\n")
    ]
    return {line[0]: dict(zip(head, line, strict=True)) for line in body}


@pytest.fixture
def scores(tmp_path):
    write_table(tmp_path, "baselines", BASELINES)
    write_table(tmp_path, "ablation", ABLATION)
    write_table(tmp_path, "translation", translations())
    return Scores(r for p in sorted(tmp_path.glob("*.csv")) for r in read_lines(p))


def test_numbers_by_hand():
    assert with_spread([1.0, 2.0, 3.0], 1) == "2.0 ± 1.0"
    assert with_spread([1.25], 2) == "1.25" and with_spread([], 2) == "-"
    assert probability(0.0314) == "p 0.031" and probability(0.0004) == "p < 0.001"


def test_differences_by_hand():
    # 1, 2, 3: the interval is 2 +- 4.303 / sqrt(3) = 2.484; p = 1 - t / sqrt(2 + t^2), t = 3.464.
    three = compare({1: 1.0, 2: 3.0, 3: 5.0}, {1: 0.0, 2: 1.0, 3: 2.0})
    assert difference(three, 2) == "+2.00 (-0.48 to +4.48), p 0.074"
    assert difference(compare({1: 1.0}, {1: 3.0}), 1) == "-2.0 (one seed: not tested)"
    assert difference(Paired(()), 1) == "-"


def test_a_bar_does_not_break_a_table():
    assert markdown(["a"], [["x | y"]]).splitlines()[-1] == "| x \\| y |"


def test_scores_of_every_output_and_the_difference_to_cen(scores):
    table = cells(score_table(scores, "baselines", "miou"))
    assert list(table) == list(BASELINES)
    assert list(table["cen"])[1:4] == ["rgb", "depth", "ensemble"]
    # Means 25, 27 and 50, moved by at most 0.6 %.
    assert float(table["rgb"]["rgb"].split(" ")[0]) == pytest.approx(25, abs=0.2)
    assert table["rgb"]["depth"] == "-"
    key = next(name for name in table["cen"] if name.startswith("ensemble less"))
    assert table["cen"][key] == "-" and table["depth"][key].startswith("-2")


def test_a_table_without_cen_is_compared_with_the_baselines_only_if_alike(scores, tmp_path):
    rows = {"concat_early": 0.4}
    write_table(tmp_path, "stages", rows)
    found = cells(score_table(scores_of(tmp_path), "stages", "miou"))
    key = next(name for name in found["concat_early"] if name.startswith("ensemble less"))
    assert found["concat_early"][key].startswith("-10.")

    rows = {row: outputs for row, outputs in translations().items() if row != "cen"}
    write_table(tmp_path, "translation", rows)
    found = cells(score_table(scores_of(tmp_path), "translation", "fid"))
    assert found["concat"][key.replace("mIoU", "FID")] == "-"


def test_longer_trainings_are_compared_with_a_longer_one(tmp_path):
    write_table(tmp_path, "steps", {"none": 0.3, "cen": 0.4, "none_2400": 0.5, "cen_2400": 0.7})
    found = cells(score_table(scores_of(tmp_path), "steps", "miou"))
    key = next(name for name in found["cen"] if name.startswith("ensemble less"))
    assert found["none"][key].startswith("-10.") and found["none_2400"][key].startswith("-20.")
    assert found["cen"][key] == found["cen_2400"][key] == "-"


def scores_of(folder):
    return Scores(r for p in sorted(folder.glob("*.csv")) for r in read_lines(p))


def test_costs_are_over_one_modality(scores):
    table = cells(cost_table(scores, "baselines"))
    assert table["concat"]["parameters"] == "1,050,002"
    assert table["concat"]["over one modality"] == "+50,002 (+5.00 %)"
    assert table["cen"]["exchanged, %"] == "43 ± 0" and table["rgb"]["MACs, millions"] == "1,000.0"
    # The ablation has no row of one modality; it is the baselines' net. A translation is another.
    assert cells(cost_table(scores, "ablation"))["cen"]["over one modality"] == "+5,002 (+0.50 %)"
    assert cells(cost_table(scores, "translation"))["cen"]["over one modality"] == "-"


bodies = st.text().filter(lambda text: "evidence -->" not in text)


@given(bodies, bodies, bodies)
def test_a_section_is_replaced_and_nothing_else(before, after, body):
    page = f"{before}<!-- evidence -->old<!-- /evidence -->{after}"
    made = replace_section(page, body)
    expected = f"{before}<!-- evidence -->\n{body.strip()}\n<!-- /evidence -->{after}"
    assert made == expected
    assert replace_section(made, body) == made


def test_a_page_without_markers_stays():
    assert replace_section("text", "body") == "text"


@pytest.mark.parametrize(
    "page",
    [
        "<!-- evidence --> no end",
        "<!-- /evidence --> no start",
        "<!-- /evidence --> <!-- evidence -->",
        "<!-- evidence --><!-- /evidence --><!-- evidence --><!-- /evidence -->",
    ],
)
def test_markers_that_do_not_pair_are_the_user_s(page):
    with pytest.raises(InputError, match="<!-- evidence --> and <!-- /evidence -->"):
        replace_section(page, "body")
