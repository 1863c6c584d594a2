"""Ten thousand rows, one in a hundred of whose files is damaged, in twelve ways."""

import json

import pytest

from tests.conftest import write_csv
from tests.forms import images, sounds

ROWS, BAD, GOOD = 10_000, 100, 40
KINDS = 12


def kinds_of_damage(forms):
    """Twelve damaged files, of as many reasons as there are."""
    files = [form for form in forms if form.status != "ok" and isinstance(form.content(), bytes)]
    first = {form.reason: form for form in reversed(files)}
    chosen = [*first.values(), *(form for form in files if form not in first.values())][:KINDS]
    assert len(chosen) == KINDS
    return chosen


@pytest.fixture(params=["image", "audio"])
def damaged(request, tmp_path):
    """A table and, by id, the reason that its damaged rows must have."""
    forms, whole = {
        "image": (images.DAMAGED, images.FORMS[0]),
        "audio": (sounds.DAMAGED, sounds.FORMS[0]),
    }[request.param]
    bad = kinds_of_damage(forms)
    for number in range(GOOD):
        (tmp_path / f"good{number}{whole.suffix}").write_bytes(whole.content())
    for number, form in enumerate(bad):
        (tmp_path / f"bad{number}{form.suffix}").write_bytes(form.content())
    rows, reasons = [], {}
    for row in range(ROWS):
        name = f"good{row % GOOD}{whole.suffix}"
        if row % (ROWS // BAD) == 37:
            form = bad[len(reasons) % KINDS]
            name = f"bad{len(reasons) % KINDS}{form.suffix}"
            reasons[f"s{row}"] = (form.status, form.reason)
        rows.append({"id": f"s{row}", "input": name, "label": row % 2})
    return request.param, write_csv(tmp_path / "table.csv", rows), reasons


def test_every_damaged_file_is_named_with_its_reason_and_no_other(damaged, mmcli):
    kind, table, reasons = damaged
    command = ("preprocess", table, f"--{kind}", "input", "--image-size", "16")
    assert len(reasons) == BAD
    done = mmcli(*command, "-o", "out", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["rows"] == ROWS
    listed = mmcli("ledger", "out", "--json").rows
    assert {entry["id"]: (entry["status"], entry["reason"]) for entry in listed} == reasons
    assert len(listed) == BAD
    counted = mmcli("ledger", "out", "--count", "--json").rows
    assert sum(row["inputs"] for row in counted) == BAD
    assert {row["reason"] for row in counted} == {reason for _, reason in reasons.values()}

    assert mmcli(*command, "-o", "other", "--max-errors", "1%").code == 0
    refused = mmcli(*command, "-o", "none", "--max-errors", "0.5%")
    assert refused.code == 3
    assert f"{BAD} of {ROWS} inputs are bad, but --max-errors allows 0.5%" in refused.err.splitlines()[-1]
    assert not (table.parent / "none").exists()
