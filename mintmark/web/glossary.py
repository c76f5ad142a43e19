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
        meaning="The score from 0 to 1 that the prompt is expected to get the next time it is measured.",
    ),
    Term(
        word="ritual",
        plain="task",
        meaning="A named set of test cases with scorers. A run of it gives a score from 0 to 1.",
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
        meaning="The same task run again with a changed context: another seed, temperature, order of memory or "
        "wording of the input.",
    ),
    Term(
        word="dreamframe volatility",
        plain="replay spread",
        meaning="How much the scores of replays vary beyond chance. 0 means no variation.",
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
        meaning="How much better this pairing does than assistant and prompt predict separately. It is a sum of three "
        "parts: task, wording and own record.",
    ),
    Term(
        word="memory fidelity",
        plain="memory",
        meaning="How well outputs agree with the entries in the assistant's memory.",
    ),
    Term(
        word="mutation bias",
        plain="drift",
        meaning="How much better or worse this assistant's forks do than their parents.",
    ),
    Term(
        word="swarm",
        plain="all assistants",
        meaning="The mean over all assistants registered in this installation.",
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
        plain="credit",
        meaning="The unit of money in this installation, recorded in a double-entry ledger to a millionth. It has no "
        "value outside, and never changes a score or a rank. Tokens of language models are something else.",
    ),
    Term(
        word="inject",
        plain="put to work",
        meaning="Place a prompt into a named slot of an assistant. The assistant gets it from its next "
        "request on, and no longer gets it once it is withdrawn.",
    ),
    Term(
        word="codex contract",
        plain="contract",
        meaning="Binds a prompt to a rule set. A broken clause either warns, or blocks the prompt from being put "
        "to work.",
    ),
    Term(
        word="swarm adoption",
        plain="adoption",
        meaning="The share of active teams, those with evidence or a prompt at work in the last 30 days, that have "
        "this prompt at work now. The team that wrote it, and its author's other teams, are not counted.",
    ),
    Term(
        word="codex usage",
        plain="use under rules",
        meaning="The share of the prompt's recent uses that were made under a contract with every blocking "
        "clause passing; a use counts half after 30 days.",
    ),
    Term(
        word="symbolic tag weight",
        plain="demand for its tags",
        meaning="The share of purchases in the last 30 days with one of the prompt's tags: 1 less the product, over "
        "its tags, of 1 less the tag's share of purchases.",
    ),
)

BY_WORD = {term.word: term for term in TERMS}
