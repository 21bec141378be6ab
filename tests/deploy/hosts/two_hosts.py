"""A hosts file with two hosts and a participant on each."""

from deploy.hosts.hosts_file import parse_hosts

HOSTS = parse_hosts(
    """
    [coordinator]
    host = "alpha"
    bind = "tcp://10.0.0.1:5555"
    [hosts.alpha]
    benign = 1
    [hosts.beta]
    benign = 1
    """,
    default_name="lab",
    source="hosts.toml",
)
