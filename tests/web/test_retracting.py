"""A whole run is taken back by a lead, after a look at what goes."""

from __future__ import annotations

import re
from pathlib import Path

from enrich.runs.finding import list_runs
from enrich.web.index.asked import Filters
from enrich.web.who import Doors
from tests.web.serving import client, site


def test_a_lead_looks_and_takes_a_run_back(tmp_path: Path) -> None:
    """Given an active run, when a lead takes it back, then nothing of it counts, its page says so, and doing it again is a
    fault; a curator may neither look nor do it."""
    with site(tmp_path) as here:
        doors = Doors(here.settings, "Ida")
        curator = {"Authorization": f"Bearer {doors.tokens.add('Ana', 'curator')}"}
        with here.workspace() as workspace:
            (run,) = list_runs(workspace)
        with client(here, doors) as asking:
            current = here.index.total(Filters({"outcome": ("Predicted",)}))
            assert asking.get("/retract", params={"run": run.run}, headers=curator).status_code == 403
            assert asking.post("/retract", data={"run": run.run}, headers=curator).status_code == 403

            asking.get(doors.invitation())
            assert "/retract?run=" in asking.get(f"/run/{run.run.rpartition('/')[2]}.html").text
            (said,) = re.findall(
                r'class="warn">(.*?)</p>', asking.get("/retract", params={"run": run.run}).text
            )
            assert said.startswith(f"{current} of its values stand now.")
            assert re.findall(r"\d+", said) == [str(current)]
            assert here.index.total(Filters()) > 0, "looking changes nothing"
            assert asking.post("/retract", data={"run": run.run}).status_code == 403, "from elsewhere"
            done = asking.post("/retract", data={"run": run.run}, headers={"Origin": "http://127.0.0.1"})
            assert done.status_code == 303
            assert here.index.total(Filters()) == 0
            again = asking.post("/retract", data={"run": run.run}, headers={"Origin": "http://127.0.0.1"})
            assert again.status_code == 404
            assert "/retract?run=" not in asking.get(f"/run/{run.run.rpartition('/')[2]}.html").text
