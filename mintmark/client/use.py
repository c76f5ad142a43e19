"""One use of a prompt: the text, and what it achieved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import events
from .event_queue import EventQueue
from .events import CaseResult
from .prompts import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A prompt in use by an assistant, under a ritual: what `client.use(…)` gives."""

    prompt: Prompt
    assistant: str | int | None
    ritual: str | int | None
    event_queue: EventQueue

    @property
    def text(self) -> str:
        return self.prompt.text

    def render(self, values: dict[str, object] | None = None, /, **variables: object) -> str:
        """The text with its variables filled in; see `Prompt.render`."""
        return self.prompt.render(values, **variables)

    def report(
        self,
        score: float | None = None,
        *,
        runs: int = 1,
        cases: Mapping[str, CaseResult] | None = None,
        kind: str = "outcome",
        ritual: str | int | None = None,
        note: str = "",
        tags: Sequence[str] = (),
    ) -> bool:
        """Say what the use achieved: `score` in [0, 1] is the mean of `runs` binary runs. Returns whether it was taken.

        With `cases` (the score of each case, or its mean score and runs) score and runs follow from them. Only such a
        report can be run again by the server, and counts for other teams as far as it is proven.

        It is written to disk and delivered in the background. It never raises and never waits for the server: what
        can't be right is logged and counted (`Counts.unfit`), and so is a report on a fallback, which no server knows.
        """
        try:
            event = events.build_event(
                kind=kind,
                prompt=self._require_reference(),
                assistant=self.assistant,
                ritual=ritual if ritual is not None else self.ritual,
                score=score,
                runs=runs,
                cases=cases,
                note=self._add_selection_note(note),
                tags=[*tags, *self._list_selection_tags()],
            )
            event_line = events.to_line(event)
        except Exception as wrong:  # whatever was handed in, the caller's program goes on
            self.event_queue.record_unfit(str(wrong))
            return False
        return self.event_queue.enqueue(event_line)

    def _add_selection_note(self, note: str) -> str:
        """A note, and behind it why the prompt was chosen, which is not cut."""
        selection = self.prompt.selection
        if selection is None:
            return note
        room = events.MAX_NOTE_CHARACTERS - len(selection.note) - 3
        return f"{note[:room]} · {selection.note}" if note else selection.note

    def _list_selection_tags(self) -> list[str]:
        return [self.prompt.selection.tag] if self.prompt.selection is not None else []

    def _require_reference(self) -> str:
        if not self.prompt.reference:
            raise ValueError("The text in use is the fallback, which has no reputation.")
        return self.prompt.reference
