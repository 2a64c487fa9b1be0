"""Messages name options as the flags that users typed, in place of the keywords of the library."""

from __future__ import annotations

import re
from collections.abc import Collection, Generator
from contextlib import contextmanager

from aembed import AembedError
from aembed.cli.errors import CommandError, exit_code

FLAGS = {
    "max_row_bytes": "--max-row-bytes",
    "base_url": "--base-url",
    "batch_size": "--batch-size",
    "timeout": "--timeout",
    "max_concurrency": "--concurrency",
    "provider_options": "--option",
    "text_column": "--text-column",
    "id_column": "--id-column",
    "vector_column": "--vector-column",
    "input_format": "--input-format",
    "overlong": "--overlong",
    "dimensions": "--dimensions",
    "cache": "--cache",
    "dtype": "--dtype",
    "update": "--update",
    "keep": "--keep",
    "force": "--force",
    "max_cost": "--max-cost",
    "cache_limit": "--cache-limit",
    "requests_per_minute": "--rpm",
    "tokens_per_minute": "--tpm",
}
WORDS = ("text", "encoding", "delimiter", "quoting", "limit", "shard")
"""Options whose names are words: a sentence means the option where a value follows."""
IN_FILES = {
    "dimensions",
    "cache",
    "requests_per_minute",
    "tokens_per_minute",
    "base_url",
    "batch_size",
    "max_concurrency",
    "timeout",
    "provider_options",
}
"""Settings that a profile may hold as well: they keep their names unless they were given as flags."""

_NAMES = "|".join({"timeout": "timeout(?=[=:])", "keep": "keep(?==)"}.get(name, name) for name in FLAGS)
_ALONE = r"""(?<![\w./\\'"-])"""
"""Not within a name, a path or a flag."""
_QUOTED = r"""(?<!\w)'[^']*'"""
_OPTION = re.compile(rf"""{_QUOTED}|{_ALONE}({_NAMES})(?:="?([\w-]+(?:\.\d+)?)"?)?(?![\w'"]|[./\\-]\w)""")
_SHARD = re.compile(r"\bshard=\((\d+), (\d+)\)")
_FROM_KEYWORD = " (keyword)"
"""The source that an error of a setting names; with the flag it is known."""
_WORD = re.compile(rf"""{_ALONE}({"|".join(WORDS)})=("[\w-]+"|)""")


@contextmanager
def in_flags(given: Collection[str]) -> Generator[None, None, None]:
    """Errors name the flags that were ``given``, and options that exist only as flags."""
    try:
        yield
    except AembedError as error:
        raise CommandError(named(str(error), given), exit_code(error)) from error


def named(sentence: str, given: Collection[str]) -> str:
    """``overlong="truncate"`` becomes ``--overlong truncate``. Quoted names come from users, and stay."""

    def flag(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name is None:
            return found[0]
        if name in IN_FILES and name not in given:
            return found[0]
        return FLAGS[name] if value in {None, "True"} else f"{FLAGS[name]} {value}"

    sentence = _SHARD.sub(r"--shard \1/\2", sentence.removesuffix(_FROM_KEYWORD))
    sentence = _WORD.sub(lambda found: "--{} {}".format(found[1], found[2].strip('"')), sentence)
    return _OPTION.sub(flag, sentence)
