import pytest

from protocol.addresses import parse_address
from protocol.errors import UsageProblem


def problem_of(text: str, *, for_bind: bool) -> str:
    with pytest.raises(UsageProblem) as caught:
        parse_address(text, for_bind=for_bind)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:5555",
        "tcp://localhost",
        "udp://localhost:5",
        "tcp://a b:5",
        "tcp://u@h:5",
        "tcp://::1:5",
    ],
)
def test_another_form_is_refused_with_an_example(text: str) -> None:
    assert problem_of(text, for_bind=False) == (
        f"{text!r} is not an address; write tcp://HOST:PORT, for instance tcp://192.168.1.20:5555"
    )


@pytest.mark.parametrize("port", ["65536", "0", "99999999999999999999"])
def test_a_port_to_connect_to_is_from_1_to_65535(port: str) -> None:
    assert problem_of(f"tcp://127.0.0.1:{port}", for_bind=False).endswith(
        "a port is a number from 1 to 65535"
    )


def test_what_only_listening_can_mean_is_not_connected_to() -> None:
    assert "needs the port's number" in problem_of("tcp://127.0.0.1:*", for_bind=False)
    assert "needs the coordinator's host name" in problem_of("tcp://*:5555", for_bind=False)
    assert "0.0.0.0 is only for listening" in problem_of("tcp://0.0.0.0:5555", for_bind=False)
    assert ":: is only for listening" in problem_of("tcp://[::]:5555", for_bind=False)


def test_a_host_that_does_not_exist_is_named() -> None:
    message = problem_of("tcp://no-such-host.invalid:5555", for_bind=False)
    assert "cannot resolve the host 'no-such-host.invalid'" in message
    assert "check the spelling" in message
    assert "not a host name" in problem_of("tcp://a..b:5555", for_bind=False)


def test_names_stay_names_when_connecting_and_become_numbers_when_listening() -> None:
    assert parse_address("tcp://localhost:5555", for_bind=False).url == "tcp://localhost:5555"
    assert parse_address("tcp://localhost:5555", for_bind=True).url == "tcp://127.0.0.1:5555"


def test_ipv6_is_on_only_where_it_is_meant() -> None:
    assert parse_address("tcp://[::1]:5555", for_bind=False).ipv6
    assert parse_address("tcp://[::1]:*", for_bind=True).ipv6
    assert parse_address("tcp://*:5555", for_bind=True).ipv6
    assert not parse_address("tcp://127.0.0.1:5555", for_bind=False).ipv6
