"""HdrHistogram logs: another implementation reads what aembed writes, and aembed what that one writes."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import anyio
import numpy as np
import pytest
from hdrh.histogram import HdrHistogram as Other
from hdrh.log import HistogramLogReader, HistogramLogWriter
from hypothesis import given
from hypothesis import strategies as st

from aembed import InputError, bench
from aembed.bench.rows.columns import NEVER, OK, TIMED_OUT, UNFINISHED, Rows, RunRows
from aembed.bench.rows.hdr import HdrHistogram, _read, _runs, _written
from aembed.bench.rows.hlog import read_hlog, write_hlog

HOUR = 3_600_000_000_000
nanoseconds = st.one_of(st.integers(0, 5000), st.integers(0, HOUR))


def values_of(histogram: HdrHistogram) -> Counter[int]:
    return Counter(dict(zip(histogram.middles().tolist(), histogram.counts.tolist(), strict=True)))


@given(st.lists(nanoseconds, max_size=60), st.integers(1, 70_000))
def test_the_other_implementation_reads_ours(values: list[int], times: int) -> None:
    counts = [times if i == 0 else 1 for i in range(len(values))]
    ours = HdrHistogram.of(np.repeat(np.array(values, dtype=np.int64), np.array(counts, dtype=np.int64)))
    theirs = Other.decode(ours.encoded())
    expected = Other(1, max(2, ours.highest()), 3)
    for value, count in zip(values, counts, strict=True):
        expected.record_value(value, count)
    assert theirs.get_total_count() == expected.get_total_count()
    for percentile in (0, 10, 50, 90, 99, 100):
        assert theirs.get_value_at_percentile(percentile) == expected.get_value_at_percentile(percentile)


@given(st.lists(nanoseconds, min_size=1, max_size=60), st.integers(1, 1_000_000), st.integers(1, 5))
def test_ours_reads_the_other_implementation(values: list[int], times: int, digits: int) -> None:
    theirs = Other(1, HOUR, digits)
    for value in values:
        theirs.record_value(value, times)
    found = values_of(HdrHistogram.decoded(theirs.encode().decode()))
    assert sum(found.values()) == times * len(values)
    expected = Counter[int]()
    for value in values:
        expected[theirs.get_lowest_equivalent_value(value)] += times
    lowest = {theirs.get_lowest_equivalent_value(middle): count for middle, count in found.items()}
    assert lowest == expected
    for value in values:
        assert min(abs(value - other) for other in found) <= value * 10.0**-digits


def run_of(
    response: list[int], *, case: str = "a case", started: float = 1_700_000_000.0, valid: bool = True
) -> RunRows:
    """Ten requests a second, started 1 ms late; ``NEVER``: timed out after a second."""
    intended = np.arange(len(response), dtype=np.int64) * 100_000_000
    spans = np.array(response, dtype=np.int64)
    good = spans != NEVER
    rows = Rows(
        intended=intended,
        started=intended + 1_000_000,
        done=intended + np.where(good, spans, 1_000_000_000),
        outcome=np.where(good, OK, TIMED_OUT),
    )
    return RunRows(case=case, started=1_700_000_000.0, valid=valid, rows=rows)


def test_the_other_implementation_reads_the_log(tmp_path: Path) -> None:
    spans = [5_000_000 + 37_000 * i for i in range(41)]
    spans[7] = NEVER
    write_hlog(file := tmp_path / "run.hlog", [run_of(spans)])
    reader = HistogramLogReader(str(file), Other(1, HOUR, 3))
    found: dict[str, Other] = {}
    starts = []
    while (interval := reader.get_next_interval_histogram()) is not None:
        found.setdefault(interval.get_tag(), Other(1, HOUR, 3)).add(interval)
        starts.append(interval.get_start_time_stamp())
    reader.close()
    assert reader.get_start_time_sec() == 1_700_000_000.0
    assert sorted(set(starts)) == [1_700_000_000_000.0 + 1000 * second for second in range(5)]
    assert {tag: histogram.get_total_count() for tag, histogram in found.items()} == {
        "response": 40,
        "service": 40,
        "lag": 41,
        "failed": 1,
    }
    good = sorted(span for span in spans if span != NEVER)
    for q in (0.25, 0.5, 0.9, 0.99):
        exact = good[math.ceil(q * 40) - 1]
        assert found["response"].get_value_at_percentile(100 * q) == pytest.approx(exact, rel=1e-3)
        assert found["service"].get_value_at_percentile(100 * q) == pytest.approx(exact - 1_000_000, rel=1e-3)
    assert found["lag"].get_max_value() == pytest.approx(1_000_000, rel=1e-3)


def test_ours_reads_its_own_log(tmp_path: Path) -> None:
    write_hlog(file := tmp_path / "run.hlog", [run_of([1_000] * 25), run_of([7] * 5, case="b, c", valid=False)])
    log = read_hlog(file)
    assert set(log.intervals) == {
        f"{run}:{part}" for run in ("a_case", "b_c") for part in ("response", "service", "lag")
    }
    assert [int(interval.histogram.counts.sum()) for interval in log.intervals["a_case:response"]] == [10, 10, 5]
    assert log.invalid == ("b_c",)
    assert log.started == 1_700_000_000.0


def test_ours_reads_a_log_of_the_other_implementation(tmp_path: Path) -> None:
    file = tmp_path / "theirs.hlog"
    with file.open("w") as stream:
        writer = HistogramLogWriter(stream)
        writer.output_comment("[Logged with another program]")
        writer.output_log_format_version()
        writer.output_legend()
        for second in range(3):
            histogram = Other(1, HOUR, 3)
            histogram.record_value(1_000_000 * (second + 1), 100)
            writer.output_interval_histogram(histogram, 0.5 + second, 1.5 + second)
    log = read_hlog(file)
    [intervals] = log.intervals.values()
    assert [interval.start for interval in intervals] == [0.5, 1.5, 2.5]
    assert [interval.histogram.counts.tolist() for interval in intervals] == [[100]] * 3
    assert intervals[2].histogram.middles()[0] == pytest.approx(3_000_000, rel=1e-3)


@pytest.mark.virtual_time
async def test_a_run_writes_one(tmp_path: Path) -> None:
    async def call() -> None:
        await anyio.sleep(0.01)

    file = tmp_path / "run.hlog"
    await bench.load(call, arrivals=bench.constant(20), duration=3, hlog=file, drain=0.5)
    log = read_hlog(file)
    [histograms] = [[i.histogram for i in intervals] for tag, intervals in log.intervals.items() if tag == "response"]
    assert [h.counts.tolist() for h in histograms] == [[20]] * 3
    assert histograms[0].middles()[0] == pytest.approx(10_000_000, rel=1e-3)


def test_requests_that_never_started_are_failed(tmp_path: Path) -> None:
    run = run_of([5, 6])
    rows = Rows(
        intended=run.rows.intended,
        started=np.array([0, NEVER]),
        done=np.array([5, NEVER]),
        outcome=np.array([OK, UNFINISHED]),
    )
    write_hlog(file := tmp_path / "a.hlog", [RunRows(case="a", rows=rows)])
    counts = {tag: int(intervals[0].histogram.counts.sum()) for tag, intervals in read_hlog(file).intervals.items()}
    assert counts == {"response": 1, "service": 1, "lag": 1, "failed": 1}


V1 = "HISTEwAAAD942pNpmSzMwMAgwwABTBDKT4GBgdnNYMcCBvsPEBEXDg4A"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "has no interval"),
        ("case,label\n1,2\n", "line 1 is neither an interval nor a comment"),
        (f"0.1,1.0,2.0,{V1}\n", "line 1: cookie 0x1c849313 is not that of a compressed V2 histogram"),
        ("0.1,1.0,2.0,SElTVA==\n", "line 1: not an encoded histogram"),
        ("0.1,1.0,2.0,????\n", "line 1: not an encoded histogram"),
        (None, "cannot be read"),
        (b"\xff\xfe", "it is not text"),
    ],
)
def test_other_files_are_errors(tmp_path: Path, content: str | bytes | None, problem: str) -> None:
    file = tmp_path / "a.hlog"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError, match=problem):
        read_hlog(file)


@given(st.binary(max_size=80), st.integers(0, 100))
def test_damaged_histograms_are_errors(noise: bytes, place: int) -> None:
    whole = HdrHistogram.of(np.array([5, 7_000, 7_000]))
    text = whole.encoded()
    damaged = text[:place] + noise.hex() + text[place + len(noise) :]
    try:
        found = HdrHistogram.decoded(damaged)
    except ValueError:
        return
    assert values_of(found) == values_of(whole) or damaged != text


@pytest.mark.parametrize(
    ("count", "size"), [(1, 1), (63, 1), (64, 2), (8191, 2), (8192, 3), (2**54, 8), (2**55, 9), (2**62, 9)]
)
def test_a_count_takes_a_byte_for_each_seven_bits_and_nine_at_most(count: int, size: int) -> None:
    written = _written(count)
    assert len(written) == size
    bins, counts = _read(_written(-3) + written + _written(0) + written)
    assert (bins.tolist(), counts.tolist()) == ([3, 5], [count, count])
    with pytest.raises(ValueError, match="cut off"):
        _read(written[:-1] or b"\x80")


def test_a_run_of_empty_bins_is_one_number_and_a_single_one_is_a_zero() -> None:
    assert list(_runs([2, 3, 5, 9], [4, 5, 6, 7])) == [-2, 4, 5, 0, 6, -3, 7]
    assert list(_runs([0], [4])) == [4]
