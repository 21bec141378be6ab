"""Hosts on one machine: network namespaces, joined by a switch whose links can be slow, lossy or cut."""
