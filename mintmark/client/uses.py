"""One use of a prompt: the text, and what it achieved."""

from collections.abc import Sequence
from dataclasses import dataclass

from . import events
from .outbox import Outbox
from .prompts import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A prompt in use by an assistant, under a ritual: what `client.use(…)` gives."""

    prompt: Prompt
    assistant: str | int | None
    ritual: str | int | None
    outbox: Outbox

    @property
    def text(self) -> str:
        return self.prompt.text

    def render(self, values: dict[str, object] | None = None, /, **variables: object) -> str:
        """The text with its variables filled in; see `Prompt.render`."""
        return self.prompt.render(values, **variables)

    def report(
        self,
        score: float,
        *,
        runs: int = 1,
        kind: str = "outcome",
        ritual: str | int | None = None,
        note: str = "",
        tags: Sequence[str] = (),
    ) -> bool:
        """Say what the use achieved: `score` in [0, 1] is the mean of `runs` binary runs. Returns whether it was taken.

        It is written to disk and delivered in the background. It never raises and never waits for the server: what
        can't be right is logged and counted (`Counts.unfit`), and so is a report on a fallback, which no server knows.
        """
        try:
            event = events.event(
                kind=kind,
                prompt=self._reference(),
                assistant=self.assistant,
                ritual=ritual if ritual is not None else self.ritual,
                score=score,
                runs=runs,
                note=self._noted(note),
                tags=[*tags, *self._chosen()],
            )
            line = events.line(event)
        except Exception as wrong:  # whatever was handed in, the caller's program goes on
            self.outbox.note_unfit(str(wrong))
            return False
        return self.outbox.put(line)

    def _noted(self, note: str) -> str:
        """A note, and behind it why the prompt was chosen, which is not cut."""
        choice = self.prompt.choice
        if choice is None:
            return note
        room = events.MOST_NOTE - len(choice.note) - 3
        return f"{note[:room]} · {choice.note}" if note else choice.note

    def _chosen(self) -> list[str]:
        return [self.prompt.choice.tag] if self.prompt.choice is not None else []

    def _reference(self) -> str:
        if not self.prompt.reference:
            raise ValueError("The text in use is the fallback, which has no reputation.")
        return self.prompt.reference
