"""Any percentile afterwards: of a report, of its rows, of a histogram log; with intervals that hold the truth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import InputError, bench
from aembed.bench.load.summary import distribution
from aembed.bench.model.result import UNKNOWN, reports_to_json
from aembed.bench.rows.columns import FAILED, OK, Rows, RunRows
from aembed.bench.rows.hlog import write_hlog
from aembed.bench.rows.table import writer_of
from aembed.bench.stats.sample import percentiles
from tests.bench.samples import samples

testing = pytest.importorskip("typer.testing", reason="needs the extra cli")
ASKED = (0.75, 0.975)


def command(arguments: list[str]) -> Any:
    """``aembed`` in this process."""
    from aembed.cli.app import app

    return testing.CliRunner().invoke(app, arguments)


def run_of(times: np.ndarray[Any, np.dtype[np.float64]], *, valid: bool = True) -> RunRows:
    """Requests at 100/s; ``inf`` failed after a second."""
    n, good = len(times), np.isfinite(times)
    intended = np.arange(n, dtype=np.int64) * 10_000_000
    done = intended + np.rint(np.where(good, times, 1.0) * 1e9).astype(np.int64)
    rows = Rows(intended=intended, started=intended, done=done, outcome=np.where(good, OK, FAILED))
    return RunRows(case="served", started=1_700_000_000.0, rows=rows, valid=valid)


def lognormal(n: int, failed: int = 0, seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    dice = np.random.default_rng(seed)
    times = np.rint(dice.lognormal(math.log(0.02), 0.8, n) * 1e9) / 1e9
    times[dice.permutation(n)[:failed]] = np.inf
    return times


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_give_any_percentile_exactly(tmp_path: Path, suffix: str) -> None:
    times, file = lognormal(2000, failed=20), tmp_path / f"a.{suffix}"
    writer_of(file)(file, [run_of(times)])
    [report] = bench.read_reports(file, percentiles=ASKED)
    assert report.response is not None
    assert report.traffic is not None
    expected = percentiles(times, ASKED)
    for percentile in expected:
        found = report.response.at(percentile.q)
        assert (found.value, found.low, found.high) == pytest.approx(
            (percentile.value, percentile.low, percentile.high)
        )
    assert (report.traffic.ok, report.traffic.failed) == (1980, 20)
    assert report.traffic.offered_rate == pytest.approx(100)
    assert report.environment == UNKNOWN


def test_a_log_gives_any_percentile_within_its_bins(tmp_path: Path) -> None:
    times, file = lognormal(2000, failed=20), tmp_path / "a.hlog"
    write_hlog(file, [run_of(times)])
    [report] = bench.read_reports(file, percentiles=ASKED)
    assert report.response is not None
    for percentile in percentiles(times, (*ASKED, 0.5, 0.99), independent=True):
        found = report.response.at(percentile.q)
        assert found.value == pytest.approx(percentile.value, rel=1e-3)
        assert found.low is not None
        assert found.low < percentile.value < (found.high or math.inf)  # type: ignore[operator]
    assert report.response.at(0.995).value is None, "a hundredth failed"
    assert report.response.censored == 20


def test_a_log_of_few_intervals_has_no_interval_of_confidence(tmp_path: Path) -> None:
    write_hlog(tmp_path / "a.hlog", [run_of(lognormal(500))])
    [report] = bench.read_reports(tmp_path / "a.hlog")
    assert report.response is not None
    assert {(p.low, p.high) for p in report.response.percentiles} == {(None, None)}
    assert report.response.at(0.6).low is None


def test_intervals_from_a_histogram_hold_the_truth() -> None:
    """200 samples, nine percentiles: the interval, widened to the edges of bins, holds the true one in 95 % or more."""
    qs = (0.1, 0.25, 0.4, 0.6, 0.7, 0.75, 0.8, 0.85, 0.92)
    deviations = np.array([-1.28155, -0.67449, -0.25335, 0.25335, 0.5244, 0.67449, 0.84162, 1.03643, 1.40507])
    truth = np.exp(math.log(0.02) + 0.8 * deviations)
    held = total = 0
    for seed in range(200):
        found = distribution(lognormal(300, seed=seed))
        for q, true in zip(qs, truth, strict=True):
            percentile, (exact,) = found.at(q), percentiles(lognormal(300, seed=seed), (q,), independent=True)
            assert percentile.value == pytest.approx(exact.value, rel=0.125)
            assert percentile.low is not None
            assert percentile.high is not None
            held += percentile.low <= true <= percentile.high
            total += 1
    assert held / total >= 0.95


def test_percentiles_among_the_failed_have_no_value() -> None:
    found = distribution(lognormal(1000, failed=200))
    assert found.at(0.85).value is None
    assert found.at(0.85).high is None
    assert found.at(0.75).value is not None
    assert distribution(np.full(5, np.inf)).at(0.7).value is None
    assert distribution(np.array([])).at(0.7).value is None


@pytest.mark.parametrize("q", [0, 1, 75, -0.5, math.nan])
def test_a_percentile_is_a_share(q: float) -> None:
    with pytest.raises(ValueError, match=r"give a share between 0 and 1, such as 0\.95"):
        distribution(lognormal(10)).at(q)


def test_a_report_gives_percentiles_and_says_how_exact_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(reports_to_json([samples()["open"]]))
    [report] = bench.read_reports(file, percentiles=(0.75, 0.95))
    assert report.response is not None
    assert [percentile.q for percentile in report.response.percentiles] == [0.5, 0.75, 0.9, 0.95, 0.99, 0.999]
    assert report.notes[-1].startswith("p75: from the report's histogram")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.json", None, "cannot be read: No such file"),
        ("a.json", b"{}", "not a file of reports"),
        ("a.csv", b"", "not a file of rows"),
        ("a.hlog", b"", "has no interval"),
    ],
)
def test_other_files_are_errors(tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=problem):
        bench.read_reports(tmp_path / name)


def test_a_report_without_times_has_no_percentiles(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(reports_to_json([samples()["cost"]]))
    with pytest.raises(InputError, match="has no response times"):
        bench.read_reports(tmp_path / "a.json", percentiles=(0.75,))
    with pytest.raises(InputError, match=r"percentile 75 is not a share"):
        bench.read_reports(tmp_path / "a.json", percentiles=(75,))


@pytest.mark.parametrize("suffix", ["csv", "hlog"])
def test_an_invalid_run_stays_invalid(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.{suffix}"
    run = run_of(lognormal(100), valid=False)
    write_hlog(file, [run, run_of(lognormal(100))]) if suffix == "hlog" else writer_of(file)(file, [run])
    assert bench.read_reports(file)[0].verdict.state == "invalid"


def test_a_log_of_another_program_has_a_report_for_each_tag(tmp_path: Path) -> None:
    file = tmp_path / "a.hlog"
    write_hlog(file, [run_of(lognormal(1000) / 1000)])
    file.write_text(file.read_text().replace("Tag=service", "Tag=GET_/").replace("Tag=lag", "Tag=POST_/"))
    reports = {report.name: report for report in bench.read_reports(file, unit="us")}
    assert set(reports) == {"requests", "GET_/", "POST_/"}
    assert reports["GET_/"].response is not None
    assert reports["GET_/"].response.at(0.5).value == pytest.approx(0.02, rel=0.1)
    with pytest.raises(InputError, match="must be one of ns, us, ms"):
        bench.read_reports(file, unit="s")


def test_compare_takes_rows_and_logs(tmp_path: Path) -> None:
    before, after = tmp_path / "a.hlog", tmp_path / "b.csv"
    times = lognormal(3000)
    write_hlog(before, [run_of(times)])
    writer_of(after)(after, [run_of(1.5 * times)])
    done = command(["bench", "compare", str(before), str(after)])
    assert done.exit_code == 1, done.output
    assert "response p50" in done.output
    assert "REGRESSED" in done.output.upper()


def test_the_command_measures_writes_and_shows_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = "tests.bench.scenarios:yields_to_the_loop"
    files = ["--rows", "a.csv", "--hlog", "a.hlog", "--openmetrics", "a.prom", "--json", "a.json"]
    done = command(["bench", "load", target, "-r", "50", "-d", "200ms", "--loop", "asyncio", *files])
    assert done.exit_code in {0, 3}, done.output
    for file in ("a.csv", "a.json", "a.hlog"):
        done = command(["bench", "report", file, "--percentiles", "75,p97.5", "--openmetrics", "b.prom"])
        assert done.exit_code in {0, 3}, done.output
        assert "p97.5" in done.output
    assert (tmp_path / "a.prom").read_text().endswith("# EOF\n")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 11
    done = command(["bench", "report", "a.csv", "--percentiles", "975"])
    assert done.exit_code == 2
    assert "write 75,97.5" in done.output
    done = command(["bench", "load", target, "--rows", "missing/a.csv"])
    assert done.exit_code == 2
    assert "the directory missing does not exist" in " ".join(done.output.split())


def test_several_cases_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    target = "tests.bench.scenarios:words"
    done = command(["bench", "load", target, "-r", "20", "-d", "100ms", "--rows", str(file)])
    assert done.exit_code in {0, 3}, done.output
    assert [run.case for run in bench.read_rows(file)] == ["words(word=a)", "words(word=b)", "words(word=c)"]
