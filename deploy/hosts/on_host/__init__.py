"""What ``fedmeta deploy`` does on a host. These files are sent there with each request.

They use the standard library alone, and no syntax younger than Python 3.8, so that a host without fedmeta, or
with another version of it, can answer what is wrong, and can still end what runs there.
"""
