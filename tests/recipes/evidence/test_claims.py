"""Verdicts on tables made up so that the verdict is known."""

import json

import pytest
from made_up_evidence import ABLATION, BASELINES, translations, write_table

from recipes.evidence.experiments.tables import TABLES
from recipes.evidence.statistics.claims import decide_all, write_verdicts
from recipes.evidence.statistics.scores import Scores, read_lines


@pytest.fixture
def judge(tmp_path):
    """Writes tables, reads them and returns the verdicts."""

    def judged(**tables):
        for table, rows in tables.items():
            write_table(tmp_path, table, rows)
        return decide_all(Scores(r for p in sorted(tmp_path.glob("*.csv")) for r in read_lines(p)))

    return judged


def test_all_hold_where_cen_is_far_ahead(judge):
    verdicts = judge(baselines=BASELINES, ablation=ABLATION, translation=translations())
    assert {name: v["verdict"] for name, v in verdicts.items()} == dict.fromkeys(
        (
            "aggregation_and_alignment private_norms exchange_with_sparsity half_above_all "
            "every_component streams_alone translation parameters"
        ).split(),
        "holds",
    )
    assert all(v["seeds"] == 3 and v["effect"] > 0 for v in verdicts.values())


def test_the_weakest_comparison_is_the_effect(judge):
    found = judge(baselines=BASELINES)["aggregation_and_alignment"]
    assert found["note"] == "weakest: cen against concat" and found["csv"] == "baselines.csv"
    # Means 50 and 47; noise and jitter move either by at most 0.6 % of 50, together by 0.6 points.
    assert found["effect"] == pytest.approx(3, abs=0.6)
    concat = next(c for c in found["comparisons"] if c["name"] == "cen against concat")
    assert (found["effect"], found["spread"]) == (concat["difference"], concat["spread"])


def test_effect_spread_and_verdict_by_hand(judge):
    # Differences of 1, 2 and 3 points: mean 2, deviation 1; the interval is 2 +- 4.303 / sqrt(3),
    # -0.48 to 4.48, so it is undecided. Turned round and ten times as even it fails.
    rows = {"shared_shared": [0.40, 0.41, 0.42], "shared_private": [0.41, 0.43, 0.45]}
    rows = {row: {"ensemble": {"miou": scores}} for row, scores in rows.items()}
    found = judge(ablation=rows)["private_norms"]
    # Scores are written with six digits and findings rounded to six: 1e-6 of two points.
    assert found["effect"] == pytest.approx(2, rel=1e-5)
    assert found["spread"] == pytest.approx(1, rel=1e-5)
    assert (found["verdict"], found["seeds"]) == ("undecided", 3)

    rows["shared_private"] = {"ensemble": {"miou": [0.379, 0.39, 0.401]}}
    found = judge(ablation=rows)["private_norms"]
    assert found["verdict"] == "fails" and found["effect"] == pytest.approx(-2, rel=1e-5)


def test_one_comparison_on_the_other_side_fails_the_finding(judge):
    found = judge(baselines={**BASELINES, "attention": 0.55})["aggregation_and_alignment"]
    assert found["verdict"] == "fails" and found["note"] == "weakest: cen against attention"
    assert found["effect"] < 0


def test_one_undecided_comparison_leaves_it_undecided(judge):
    close = {**BASELINES, "concat": {"ensemble": {"miou": [0.51, 0.49, 0.5]}}}
    found = judge(baselines=close)["aggregation_and_alignment"]
    assert found["verdict"] == "undecided" and "concat" in found["note"]


def test_a_stream_below_its_modality_alone_fails(judge):
    outputs = {**BASELINES["cen"], "depth": {"miou": 0.2}}
    found = judge(baselines={**BASELINES, "cen": outputs})["streams_alone"]
    assert found["verdict"] == "fails"
    assert found["note"] == "weakest: cen against depth, stream depth"


@pytest.mark.parametrize(
    "fid, kid, verdict", [(60, 0.016, "holds"), (60, 0.05, "fails"), (99, 0.016, "fails")]
)
def test_less_is_better_in_a_translation(judge, fid, kid, verdict):
    found = judge(translation=translations(fid, kid))["translation"]
    assert found["verdict"] == verdict and (found["effect"] > 0) == (verdict == "holds")
    assert "lower" in found["unit"] and len(found["comparisons"]) == 8


def test_without_rows_nothing_was_run_and_it_says_what_is_missing(judge):
    for name, found in judge().items():
        assert (found["verdict"], found["effect"], found["spread"]) == ("not run", None, None)
        assert found["seeds"] == 0 and found["note"].startswith("missing: "), name


def test_a_missing_row_is_named_and_decides_nothing(judge):
    rows = {row: score for row, score in BASELINES.items() if row != "align"}
    found = judge(baselines=rows)["aggregation_and_alignment"]
    assert found["verdict"] == "undecided" and found["effect"] > 0
    assert found["note"].endswith("missing: mIoU of row align in baselines.csv")


def test_a_study_decides_what_its_tables_are_for(tmp_path):
    write_table(tmp_path, "baselines", BASELINES)
    scores = Scores(read_lines(tmp_path / "baselines.csv"))
    baselines = {"baselines": TABLES["baselines"]}
    found, everything = decide_all(scores, baselines), decide_all(scores)
    assert (
        set(found) == {"aggregation_and_alignment", "streams_alone", "parameters"} < set(everything)
    )
    # One of its checks is a longer training, in a table of its own.
    longer, left = (
        [
            check["name"]
            for check in entries["aggregation_and_alignment"]["checks"]
            if "2400" in check["name"]
        ]
        for entries in (everything, found)
    )
    assert longer and not left


def test_one_seed_is_not_tested(tmp_path):
    write_table(tmp_path, "ablation", ABLATION, seeds=(1,))
    found = decide_all(Scores(read_lines(tmp_path / "ablation.csv")))["half_above_all"]
    assert (found["verdict"], found["seeds"], found["spread"]) == ("undecided", 1, None)
    assert "fewer than 2 common seeds" in found["note"]


def test_parameters_are_taken_apart(judge, tmp_path):
    found = judge(baselines=BASELINES, ablation=ABLATION)["parameters"]
    assert (found["verdict"], found["effect"], found["spread"]) == ("holds", 5002, 0)
    assert "5,001 are the other set of norms, 1 the ensemble's, 0 the exchange's" in found["note"]
    overheads = {c["name"]: c["difference"] for c in found["comparisons"]}
    assert overheads["overhead of concat"] == 50_002
    assert overheads["overhead of attention"] == 200_002


def test_parameters_of_an_exchange_with_some_fail(judge, tmp_path):
    write_table(tmp_path, "baselines", {"rgb": 0.2}, parameters=1_000_000)
    write_table(tmp_path, "ablation", ABLATION)
    more = (tmp_path / "baselines.csv").read_text()
    write_table(tmp_path, "baselines", {"cen": 0.5}, parameters=1_005_003)
    more += "".join((tmp_path / "baselines.csv").read_text().splitlines(True)[1:])
    (tmp_path / "baselines.csv").write_text(more)
    found = judge()["parameters"]
    assert found["verdict"] == "fails" and "1 the exchange's" in found["note"]


def test_verdicts_are_written_whole(judge, tmp_path):
    verdicts = judge(baselines=BASELINES)
    write_verdicts(tmp_path / "verdicts.json", verdicts)
    assert json.loads((tmp_path / "verdicts.json").read_text()) == verdicts
    assert not list(tmp_path.glob(".part-*"))


def test_follow_ups_are_reported_and_decide_nothing(judge):
    alone = judge(baselines=BASELINES)["aggregation_and_alignment"]
    assert all(check["difference"] is None for check in alone["checks"])
    steps = {"cen": 0.40, "concat": 0.50, "cen_2400": 0.60, "concat_2400": 0.50}
    followed = judge(baselines=BASELINES, steps=steps)["aggregation_and_alignment"]
    checks = {check["name"]: check for check in followed["checks"]}
    # Jitter and noise move a mean of 60 by at most 0.6 % of it, 50 by 0.3: together less than a point.
    assert checks["cen against concat"]["difference"] == pytest.approx(-10, abs=1)
    assert checks["cen_2400 against concat_2400"]["difference"] == pytest.approx(10, abs=1)
    assert {**followed, "checks": []} == {**alone, "checks": []}
