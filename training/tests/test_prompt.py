"""prompt.py says of the forty prompts of tests/fixtures/prompts.json what the Rust parser is held to as well."""

import json

import pytest
from conftest import FIXTURES

import data
from prompt import PromptError, resolve

CONFIG = dict(classes=[*data.CLASSES, *sorted((data.HERE / "ideas.txt").read_text().splitlines())])
CASES = json.loads((FIXTURES / "prompts.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda c: repr(c["prompt"]))
def test_prompts(case):
    if "error" in case:
        with pytest.raises(PromptError) as e:
            resolve(case["prompt"], CONFIG)
        assert str(e.value) == case["error"]
        return
    got = resolve(case["prompt"], CONFIG)
    assert [k for _, k in got] == [k for _, k in case["terms"]]
    assert [w for w, _ in got] == pytest.approx([w for w, _ in case["terms"]], abs=1e-12)
