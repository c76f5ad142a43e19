"""The specification's words, each with its plain meaning: for tooltips and the page about scores."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word of the specification (`word`), what to call it (`plain`) and what it measures (`meaning`)."""

    word: str
    plain: str
    meaning: str

    @property
    def anchor(self) -> str:
        return self.word.replace(" ", "-")


TERMS: tuple[Term, ...] = (
    Term(
        word="trust score",
        plain="trust",
        meaning="The score between 0 and 1 that this prompt is expected to earn where it is next measured.",
    ),
    Term(
        word="ritual",
        plain="task",
        meaning="An evaluation protocol: a named set of cases with scorers. A run of it yields a score between 0 "
        "and 1 over a number of cases.",
    ),
    Term(
        word="ritual effectiveness",
        plain="effectiveness when measured",
        meaning="The trust score from measured outcomes alone: no replays, no opinion.",
    ),
    Term(
        word="assistant approval",
        plain="approval",
        meaning="The trust score from the approvals of assistants alone.",
    ),
    Term(
        word="dreamframe",
        plain="replay",
        meaning="The same task run again under a changed context: another seed, temperature, order of memory or "
        "wording of the input.",
    ),
    Term(
        word="dreamframe volatility",
        plain="replay spread",
        meaning="How far scores of replays scatter beyond what chance alone explains. 0 is perfectly steady.",
    ),
    Term(
        word="symbolic compliance",
        plain="rule-keeping",
        meaning="The share of rule checks that this assistant passes with this prompt, starting from the prompt's "
        "share over all assistants.",
    ),
    Term(
        word="resonance",
        plain="fit",
        meaning="How much better this pairing does than assistant and prompt alone would predict: through the task, "
        "through the wording, and through its own record.",
    ),
    Term(
        word="memory fidelity",
        plain="faithfulness to memory",
        meaning="How well outputs agree with what the assistant has stored in its memory.",
    ),
    Term(
        word="mutation bias",
        plain="drift by forking",
        meaning="How much better or worse than their parents the forks do that this assistant made.",
    ),
    Term(
        word="swarm",
        plain="all assistants",
        meaning="The mean over all assistants that are known here.",
    ),
    Term(
        word="codex",
        plain="rule set",
        meaning="A versioned list of clauses; each is a check on a prompt's text or on its outputs.",
    ),
    Term(
        word="symbolic tag",
        plain="tag",
        meaning="A label with a meaning, such as task:summarise or @clarity+.",
    ),
    Term(
        word="symbolic token",
        plain="token",
        meaning="Credit within this installation, kept in a double-entry book to a millionth. It has no value "
        "outside, and buys no score and no rank.",
    ),
    Term(
        word="inject",
        plain="put to work",
        meaning="Place a prompt that one may use into a named slot of an assistant: it is served from its next "
        "request on, and gone as fast when it is withdrawn.",
    ),
    Term(
        word="codex contract",
        plain="obligations of a prompt",
        meaning="Binds a prompt to the clauses of a rule set. A clause warns, or blocks the prompt from being put "
        "to work.",
    ),
    Term(
        word="swarm adoption",
        plain="adoption",
        meaning="The share of active assistants, those with evidence or a prompt at work in the last 30 days, that "
        "have this prompt at work now.",
    ),
    Term(
        word="codex usage",
        plain="use under rules",
        meaning="The share of the prompt's recent uses that were made under a codex contract with every blocking "
        "clause passing; a use counts half after 30 days.",
    ),
    Term(
        word="symbolic tag weight",
        plain="demand for its tags",
        meaning="How much of what was bought in the last 30 days carries the prompt's tags: 1 less the product, over "
        "its tags, of 1 less the tag's share of purchases.",
    ),
)

BY_WORD = {term.word: term for term in TERMS}
