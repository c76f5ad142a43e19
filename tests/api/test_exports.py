"""`/exports`: tables over HTTP, streamed, with an ETag."""

import io

from django.http import StreamingHttpResponse
from pyarrow import parquet

from tests.factories.api_world import World


def test_evidence_and_scores_come_as_csv_and_as_parquet(folded_world: World) -> None:
    caller = folded_world.as_("stranger")
    for noun in ("evidence", "scores"):
        plain = caller.get(f"/exports/{noun}.csv")
        found = caller.get(f"/exports/{noun}.parquet")
        assert isinstance(plain, StreamingHttpResponse) and isinstance(found, StreamingHttpResponse)
        assert found["Content-Type"] == "application/vnd.apache.parquet"
        assert found["Content-Disposition"] == f'attachment; filename="{noun}.parquet"'
        lines = plain.getvalue().decode().splitlines()
        assert parquet.read_table(io.BytesIO(found.getvalue())).num_rows == len(lines) - 1 > 0
        assert caller.get(f"/exports/{noun}.csv", If_None_Match=plain["ETag"]).status_code == 304
        assert plain["ETag"] != found["ETag"]


def test_one_prompt_alone_or_none_that_is_there(folded_world: World) -> None:
    caller = folded_world.as_("stranger")
    one = caller.get(f"/exports/evidence.csv?prompt={folded_world.prompt.pk}")
    assert (
        one["Content-Disposition"]
        == f'attachment; filename="evidence-{folded_world.prompt.pk}.csv"'
    )
    assert caller.get("/exports/evidence.csv?prompt=no/such").status_code == 404
