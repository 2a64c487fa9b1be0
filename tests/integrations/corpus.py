"""A few texts with an obvious answer to each question, and a record of calls."""

from __future__ import annotations

from aembed import Event, RequestDone

DOCUMENTS = [
    "The cat sleeps on the warm windowsill all afternoon.",
    "Interest rates rose by half a percent in March.",
    "Knead the dough for ten minutes and let it rise overnight.",
    "The striker scored twice in the second half.",
]
QUESTIONS = {
    "How do I make bread?": DOCUMENTS[2],
    "What did the central bank do?": DOCUMENTS[1],
    "Who won the football match?": DOCUMENTS[3],
}


class Calls:
    """A listener that records kind and number of texts of every request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestDone):
            self.seen.append((event.kind, event.texts))
