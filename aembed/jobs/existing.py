"""Outputs that are there already: complete, or good for their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aembed.jobs.errors import JobChangedError, JobOutputError
from aembed.jobs.journal import in_words
from aembed.jobs.keys import has_rejected_texts, is_written
from aembed.jobs.paths import JobPaths, Output
from aembed.jobs.record import OutputRecord, find_record
from aembed.jobs.wanted import UpdateOptions


@dataclass(frozen=True, slots=True)
class ExistingOutput:
    """A complete output whose vectors are taken over."""

    output: Output
    record: OutputRecord


@dataclass(frozen=True, slots=True)
class Existing:
    """``complete`` outputs are as the job would make them; of those that are not, vectors may come from ``origin``."""

    complete: tuple[ExistingOutput, ...] = ()
    origin: ExistingOutput | None = None
    kept: tuple[ExistingOutput, ...] = ()
    """Outputs of which rows are kept that the input no longer has."""

    def has(self, output: Output) -> bool:
        """True if the output is complete."""
        return any(old.output == output for old in self.complete)


def look_at_outputs(
    paths: JobPaths, fingerprint: str, settings: dict[str, Any], wanted: UpdateOptions, *, rows: int
) -> Existing:
    """Inspect existing files. Reads an output once if its time has changed.

    With an unfinished job none is complete: it may have been about to replace them. Of several outputs, one that is
    complete in float32 stays so, at any precision of the others. ``rows`` of the input can be embedded.

    Raises:
        JobChangedError: an output to be updated has another model or other options; or an output would be replaced
            whose vectors cannot be used again.
        JobOutputError: an output to be updated was not written by aembed.
    """
    unfinished = paths.directory.exists()
    if wanted.force:
        return Existing()
    found = _found(paths.outputs, must_be_ours=wanted.update and not unfinished)
    complete = tuple(old for old in found if not unfinished and _is_complete(old, fingerprint, settings, wanted))
    if wanted.retry and unfinished and not found:  # it died while files went to their places, and resumes there
        return Existing()
    if wanted.retry:
        old = _to_be_retried(paths.outputs[0], found, fingerprint, settings)
        if not unfinished and not has_rejected_texts(old.output):
            return Existing(complete=(old,))
        return Existing(origin=old, kept=(old,))
    if len(complete) == len(paths.outputs):
        return Existing(complete)
    if wanted.update:
        return _to_be_updated(found, settings, wanted)
    same = [old for old in found if _same_content(old, fingerprint, settings)]
    whole = [old for old in same if old.record.dtype == "float32"]
    if not unfinished and len(paths.outputs) > 1:  # a smaller output next to a whole one leaves that as it is
        complete = tuple(old for old in same if old in complete or old in whole)
    origins = whole or [old for old in same if old.record.dtype == wanted.dtype]
    for old in () if unfinished or origins else found:
        _check_not_paid_again(old, fingerprint, settings, dtype=wanted.dtype, rows=rows)
    return Existing(complete, origins[0] if origins else None)


def _found(outputs: Sequence[Output], *, must_be_ours: bool) -> list[ExistingOutput]:
    found = []
    for output in outputs:
        record = find_record(output) if output.path.exists() and is_written(output) else None
        if record is not None:
            found.append(ExistingOutput(output, record))
        elif must_be_ours and output.path.exists():
            raise JobOutputError(
                f"{output.name} cannot be updated: aembed did not write it, or it was changed since; "
                "choose another output, or replace it with force=True"
            )
    return found


def _to_be_retried(
    output: Output, found: Sequence[ExistingOutput], fingerprint: str, settings: dict[str, Any]
) -> ExistingOutput:
    if not found:
        raise JobOutputError(f"{output.name} was changed since aembed wrote it; make it anew with force=True")
    old = found[0]
    changed = _changed(old.record, settings, [name for name in MODEL_SETTINGS if name != "overlong"])
    if old.record.input != fingerprint:
        changed.insert(0, "the input has changed")
    if changed:
        raise JobChangedError(f"rejected rows of {output.name} cannot be retried, for {'; '.join(changed)}")
    return old


def _to_be_updated(found: Sequence[ExistingOutput], settings: dict[str, Any], wanted: UpdateOptions) -> Existing:
    for old in found:
        _check_same_model(old, settings, dtype=wanted.dtype)
        if wanted.keep:
            _check_same_storage(old, found[0], wanted)
    return Existing(origin=found[0] if found else None, kept=tuple(found) if wanted.keep else ())


def _is_complete(old: ExistingOutput, fingerprint: str, settings: dict[str, Any], wanted: UpdateOptions) -> bool:
    same_column = old.output.format == "npy" or old.record.vector_column == wanted.vector_column
    has_more = old.record.kept and wanted.update and not wanted.keep
    stored_so = old.record.dtype == wanted.dtype and same_column
    return _same_content(old, fingerprint, settings) and stored_so and not has_more


def _same_content(old: ExistingOutput, fingerprint: str, settings: dict[str, Any]) -> bool:
    return old.record.input == fingerprint and not _changed(old.record, settings, settings.keys())


def _check_not_paid_again(
    old: ExistingOutput, fingerprint: str, settings: dict[str, Any], *, dtype: str, rows: int
) -> None:
    """Raise for an output of another input or other settings: replacing it would cost money twice."""
    changed = _changed(old.record, settings, settings.keys())
    if old.record.dtype != dtype:
        changed.append(f"dtype was {old.record.dtype!r} and is {dtype!r}")
    again = f"{rows:,} {'row' if rows == 1 else 'rows'} would be embedded and paid for again"
    if changed:
        raise JobChangedError(
            f"{old.output.name} was made otherwise ({'; '.join(changed)}), and {again}: choose another output, or make "
            "it anew with force=True"
        )
    assert old.record.input != fingerprint, "else its vectors could be used"
    raise JobChangedError(
        f"the input has changed since {old.output.name} was made, and {again}: embed only new texts with "
        "update=True, or everything with force=True"
    )


def _check_same_model(old: ExistingOutput, settings: dict[str, Any], *, dtype: str) -> None:
    changed = _changed(old.record, settings, MODEL_SETTINGS)
    if old.record.dtype != dtype:
        changed.append(f"dtype was {old.record.dtype!r} and is {dtype!r}")
    if changed:
        raise JobChangedError(
            f"{old.output.name} cannot be updated, for {'; '.join(changed)}: use the same settings, or make it "
            "anew with force=True"
        )


def _check_same_storage(old: ExistingOutput, first: ExistingOutput, wanted: UpdateOptions) -> None:
    """Rows that are kept stay as they are stored."""
    changed = []
    if old.output.format != "npy" and old.record.vector_column != wanted.vector_column:
        changed.append(f"vector_column was {old.record.vector_column!r} and is {wanted.vector_column!r}")
    if old.record.limit != first.record.limit:
        changed.append(f"its scale of int8 is not that of {first.output.name}")
    if changed:
        raise JobChangedError(
            f"{old.output.name} has rows that cannot be kept, for {'; '.join(changed)}: use "
            "the same settings, or update without keep=True"
        )


MODEL_SETTINGS = ("model", "revision", "base_url", "normalize", "overlong", "provider_options", "identity")
"""Settings that decide vectors."""


def _changed(record: OutputRecord, settings: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Differences of these settings, in words. Rows retried with another ``overlong`` do not count."""
    retried = settings.get("overlong") in record.retried
    return in_words(record.settings, settings, [name for name in names if not (retried and name == "overlong")])
