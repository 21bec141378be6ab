import pytest
import torch

from protocol.errors import UsageProblem
from protocol.models import (
    build_network,
    initial_parameters,
    manifest_of,
    read_parameters,
    shared_names,
    write_parameters,
)
from protocol.scenario import Scenario, parse_scenario


def count(scenario: Scenario, shared: str | int = "all") -> int:
    network = build_network(scenario, "model")
    return sum(spec.count for spec in manifest_of(network, shared).parameters)


def test_conv4_has_the_parameters_that_reptile_published_for_five_ways() -> None:
    assert count(Scenario()) == 113_221


def test_the_pooled_network_takes_mini_imagenet_and_flattens_to_1152_features() -> None:
    scenario = parse_scenario("", ["model.name=conv4-pool", "task.dataset=mini_imagenet"])
    network = build_network(scenario, "model")
    assert network.features(torch.zeros(2, 3, 84, 84)).shape == (2, 1152)


@pytest.mark.parametrize(
    ("shared", "expected"), [("all", 113_221), ("features", 111_936), (0, 0), (1, 768), (2, 37_824)]
)
def test_the_shared_part_is_a_named_subset(shared: str | int, expected: int) -> None:
    assert count(Scenario(), shared) == expected


def test_sharing_more_blocks_than_there_are_names_the_number_of_blocks() -> None:
    with pytest.raises(UsageProblem, match=r"model.shared = 5, but the network has 4 blocks"):
        shared_names(build_network(Scenario(), "model"), 5)


def test_with_depth_0_nothing_is_shared() -> None:
    scenario = parse_scenario("", ["model.shared=0"])
    network = build_network(scenario, "model")
    assert shared_names(network, 0) == ()
    theta = initial_parameters(scenario)
    assert theta.manifest.parameters == ()
    before = [value.clone() for value in network.parameters()]
    write_parameters(network, theta)
    assert all(torch.equal(one, other) for one, other in zip(before, network.parameters(), strict=True))


def test_a_model_that_does_not_take_the_images_is_a_usage_problem() -> None:
    with pytest.raises(UsageProblem, match=r"model.name = 'conv4' does not take images of 3x84x84"):
        build_network(parse_scenario("", ["task.dataset=mini_imagenet"]), "model")


def test_the_initial_parameters_are_a_function_of_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = initial_parameters(Scenario()).digest()
    torch.manual_seed(2)
    assert initial_parameters(Scenario()).digest() == first
    assert initial_parameters(parse_scenario("", ["federation.seed=1"])).digest() != first


def test_parameters_written_into_a_network_are_read_back_bit_for_bit() -> None:
    theta = initial_parameters(Scenario())
    network = build_network(Scenario(), "another purpose")
    assert read_parameters(network, theta.manifest).digest() != theta.digest()
    write_parameters(network, theta)
    assert read_parameters(network, theta.manifest).digest() == theta.digest()


def test_with_a_reference_an_image_is_classified_without_the_others() -> None:
    network = build_network(Scenario(), "model")
    support, query = torch.rand(10, 1, 28, 28), torch.rand(6, 1, 28, 28)
    with torch.no_grad():
        together = network(torch.cat([support, query]), 10)[10:]
        alone = network(torch.cat([support, query[:1]]), 10)[10:]
        transductive = network(torch.cat([support, query]))[10:]
    torch.testing.assert_close(together[:1], alone)
    assert not torch.allclose(together, transductive, atol=1e-3)


def test_the_reference_statistics_are_those_of_training() -> None:
    network = build_network(Scenario(), "model")
    support = torch.rand(10, 1, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(network(support, 10), network(support), rtol=1e-4, atol=1e-5)
