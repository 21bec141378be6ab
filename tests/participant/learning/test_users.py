"""Users side by side are the users one by one."""

import pytest
import torch
from torch import Tensor, nn

from participant.learning.users import ABREAST, Users, pick, users_abreast
from protocol.models import build_network
from protocol.models.conv4 import ConvBlock
from protocol.models.network import FewShotNetwork
from protocol.scenario import parse_scenario


def network(*overrides: str) -> FewShotNetwork:
    return build_network(parse_scenario("", overrides), "model")


def different_users(count: int, layout: torch.memory_format) -> Users:
    users = Users(network().to(memory_format=layout), count)  # type: ignore[call-overload]
    for number, own in enumerate(users.each):
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for value in own.parameters():
                value.add_(0.1 * torch.randn(value.shape, generator=generator))
    return users


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_what_users_see_side_by_side_is_what_each_sees_alone(count: int, layout: torch.memory_format) -> None:
    users = different_users(count, layout)
    images = torch.rand(count, 7, 1, 28, 28, generator=torch.Generator().manual_seed(9))
    features = users.features(images)
    logits = users.logits(features)
    for number, own in enumerate(users.each):
        torch.testing.assert_close(features[number], own.features(images[number]), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(logits[number], own(images[number]), atol=1e-4, rtol=1e-4)


def test_training_all_trains_each_and_no_other_network() -> None:
    given = network()
    before = [value.clone() for value in given.parameters()]
    users = Users(given, 2)
    with torch.no_grad():
        for value in users.parameters():
            value.add_(1)
    for own in users.each:
        for (name, value), old in zip(own.named_parameters(), before, strict=True):
            # What a convolution adds is taken away again by the normalisation, so nobody trains it.
            moved = 0 if name.endswith("conv.bias") else 1
            torch.testing.assert_close(value, old + moved)
    assert all(map(torch.equal, given.parameters(), before))


def test_only_networks_that_gain_by_it_are_side_by_side() -> None:
    assert users_abreast(network()) == ABREAST
    assert users_abreast(network("task.dataset=mini_imagenet", "model.name=conv4-pool")) == 1


class OtherBlock(ConvBlock):
    pass


class OtherHead(nn.Linear):
    def forward(self, features: Tensor) -> Tensor:
        return 3 * super().forward(features)


class OtherNetwork(FewShotNetwork):
    def features(self, images: Tensor, reference: int | None = None) -> Tensor:
        return 3 * super().features(images, reference)


INPUTS = 64 * 14 * 14


@pytest.mark.parametrize(
    ("kind", "block", "head"),
    [
        (FewShotNetwork, OtherBlock, nn.Linear(INPUTS, 5)),
        (FewShotNetwork, ConvBlock, nn.Linear(INPUTS, 5, bias=False)),
        (FewShotNetwork, ConvBlock, OtherHead(INPUTS, 5)),
        (OtherNetwork, ConvBlock, nn.Linear(INPUTS, 5)),
    ],
    ids=["block", "no bias", "head", "network"],
)
def test_another_package_s_network_does_what_it_does_itself(
    kind: type[FewShotNetwork], block: type[ConvBlock], head: nn.Linear
) -> None:
    given = kind([block(1, 64, stride=2, pool=False)], head)
    assert users_abreast(given) == 1
    users = Users(given, 1)
    assert [value.shape for value in users.parameters()] == [value.shape for value in given.parameters()]
    images = torch.rand(1, 7, 1, 28, 28, generator=torch.Generator().manual_seed(9))
    features = users.features(images)
    assert torch.equal(features[0], given.features(images[0]))
    assert torch.equal(users.logits(features)[0], given(images[0]))


def test_each_user_picks_rows_of_their_own() -> None:
    values = torch.arange(12).view(2, 3, 2)
    assert pick(values, torch.tensor([[2, 0], [1, 1]])).tolist() == [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]
