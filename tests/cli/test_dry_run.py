"""The estimates of a dry run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import PROFILES, Aembed, left_over


def test_dry_run_prints_estimates(aembed: Aembed) -> None:
    Path("t.txt").write_text("a line of some forty characters, or so...\n" * 6000 + "\n")
    arguments = ("embed", "t.txt", "-m", "mock", "--rpm", "2", "--tpm", "1000")
    code, out, err = aembed(*arguments, "--dry-run")
    assert (code, err) == (0, "")
    said = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in out.splitlines()}
    assert said == {
        "model": "mock:mock, 128 dimensions",
        "rows": "6,000 to embed, 3.1 MB of vectors",
        "rejected": "0",
        "blank": "1 lines, skipped",
        "tokens": "about 66,000, estimated from lengths",
        "requests": "about 3",
        "cost": "not known: the model has no listed price",
        "time": "at least 1 h 05 min, by the quota of tokens",
    }
    assert left_over() == []


@pytest.mark.parametrize(
    ("arguments", "time"),
    [
        ((), "as fast as the provider answers: no quota is known (set it with --rpm and --tpm)"),
        (("--rpm", "100"), "as fast as the provider answers: within a minute's quota"),
        (("--tpm", "2"), "at least 3 min 30 s, by the quota of tokens"),
        (("--tpm", "6"), "at least 30 s, by the quota of tokens"),
    ],
)
def test_dry_run_says_how_long_the_quota_takes(
    aembed: Aembed, notes: str, arguments: tuple[str, ...], time: str
) -> None:
    Path(notes).write_text("sixteen letters.\n" + "nine ten.\n" + "x\n")
    out = aembed("embed", notes, "-m", "mock", "--dry-run", *arguments).out
    assert f"time       {time}\n" in out


def test_dry_run_knows_the_price(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    Path(notes).write_text("word " * 400_000)
    out = aembed("embed", notes, "-m", "openai:text-embedding-3-small", "--dry-run").out
    assert "about $0.0100" in out
    Path(notes).write_text("word")
    out = aembed("embed", notes, "-m", "openai:text-embedding-3-small", "--dry-run").out
    assert "less than $0.0001" in out
    assert "1 to embed, 6.1 kB of vectors" in out
    assert "1536 dimensions" in out


def test_limits_of_a_profile_stay_next_to_those_given(aembed: Aembed, notes: str) -> None:
    Path("aembed.toml").write_text(PROFILES + "[profiles.small.limits]\nrequests_per_minute = 0.25\n")
    Path(notes).write_text("one\n" * 2049)
    out = aembed("embed", notes, "-m", "small", "--tpm", "1000000", "--dry-run").out
    assert "at least 7 min 00 s, by the quota of requests" in out


def test_dry_run_of_the_local_model(aembed: Aembed) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    Path("t.txt").write_text("short\n" + "word " * 500)
    out = aembed("embed", "t.txt", "--dry-run").out
    assert "384 dimensions (English only; 0% of tokens unknown to it)\n" in out
    assert "rejected   1\ntokens     3\n" in out
    assert "time       about 0 s on this machine\n" in out


def test_dry_run_needs_no_key(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert aembed("embed", notes, "-m", "openai", "--dry-run").code == 0
    assert aembed("embed", notes, "-m", "openai", "-o", "v.npy").code == 2
