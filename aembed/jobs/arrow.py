"""pyarrow, imported when a Parquet file is named."""

from __future__ import annotations

from typing import Any

from aembed import MissingExtraError


def pyarrow() -> Any:
    """The module; it has no types.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError(
            'Parquet needs pyarrow, which is not installed: pip install "aembed[parquet]"'
        ) from None
    return pa


def the_parquet() -> Any:
    """``pyarrow.parquet``, which ``import pyarrow`` alone leaves out."""
    pyarrow()
    import pyarrow.parquet as pq

    return pq
