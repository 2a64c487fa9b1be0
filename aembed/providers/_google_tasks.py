"""What Google's vectors are for: a field to gemini-embedding-001, words before the text to later models.

Sources: https://ai.google.dev/gemini-api/docs/embeddings (task types), https://docs.znapai.com/gemini-embedding
(repeats Google's table of the words before texts).
"""

from __future__ import annotations

from typing import Literal

from aembed._settings.base import Settings
from aembed._types import Kind

TASKS = {
    "retrieval": ("RETRIEVAL_QUERY", "search result"),
    "question_answering": ("QUESTION_ANSWERING", "question answering"),
    "fact_verification": ("FACT_VERIFICATION", "fact checking"),
    "code_retrieval": ("CODE_RETRIEVAL_QUERY", "code retrieval"),
    "classification": ("CLASSIFICATION", "classification"),
    "clustering": ("CLUSTERING", "clustering"),
    "semantic_similarity": ("SEMANTIC_SIMILARITY", "sentence similarity"),
}
"""What queries are said to be for: to gemini-embedding-001, and in words to later models."""

SYMMETRIC = {"classification", "clustering", "semantic_similarity"}
"""Tasks for which documents are treated as queries are. For the others they are documents to be found."""


class GoogleOptions(Settings):
    """``provider_options`` of ``google``."""

    task: Literal[
        "retrieval",
        "question_answering",
        "fact_verification",
        "code_retrieval",
        "classification",
        "clustering",
        "semantic_similarity",
        "none",
    ] = "retrieval"
    """``"none"``: the vectors are for nothing in particular, and the text goes as it is."""


def tell(model: str, task: str, kind: Kind) -> tuple[dict[str, str], str]:
    """Fields that say what the vectors are for, and words before the text that do."""
    if task == "none":
        return {}, ""
    task_type, words = TASKS[task]
    as_query = kind == "query" or task in SYMMETRIC
    if model == "gemini-embedding-001":
        return {"taskType": task_type if as_query else "RETRIEVAL_DOCUMENT"}, ""
    return {}, f"task: {words} | query: " if as_query else "title: none | text: "
