import pytest
import torch

from benchmarks.inner_loop import ALGORITHMS_USED, compare
from protocol.models import build_network
from tests.participant.tiny import tiny_bank, tiny_scenario

torch.set_num_threads(1)  # as participants do


@pytest.mark.parametrize("algorithm", ALGORITHMS_USED)
def test_a_participant_takes_the_steps_of_bare_pytorch_to_the_last_bit(algorithm: str) -> None:
    scenario = tiny_scenario(f"learning.algorithm={algorithm}", "learning.inner_batch=8")
    network = build_network(scenario, "model")
    said: list[str] = []
    found = compare(scenario, tiny_bank(), network, 1, 2, said.append)
    assert found.what == f"{algorithm}, 5 steps of 8"
    assert len(found.ours_s) == len(found.reference_s) == len(said) == 2
