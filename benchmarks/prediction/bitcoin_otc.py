"""Bitcoin OTC, one step ahead: will the next rating be positive? Priors from the past alone.

python -m benchmarks.prediction.bitcoin_otc [--json]
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from benchmarks.prediction import corpora, tables
from mintmark.scoring import backtest

COLUMNS = ("log_loss", "brier", "ece", "auc", "spearman")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = backtest.run(corpora.bitcoin_otc(), test=None, timed=True)
    if options.json:
        tables.dump(asdict(report))
        return
    for title, methods in (("last half", report.last_half), ("all rows", report.metrics)):
        tables.show(title, {name: asdict(f) for name, f in (methods or {}).items()}, COLUMNS)


if __name__ == "__main__":
    main()
