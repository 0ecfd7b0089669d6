"""Which addresses may be connected to, and which hosts are allowed although their address is not public."""

import ipaddress
from collections.abc import Iterable

from enrich.errors import SettingsError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_KINDS = ("unspecified", "loopback", "link_local", "site_local", "multicast", "reserved", "private")
_MORE = [
    ("100.64.0.0/10", "shared (CGNAT)"),
    ("168.63.129.16/32", "a cloud's own service"),
    ("192.0.0.0/24", "special-purpose"),
    ("192.88.99.0/24", "a 6to4 relay"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "NAT64"),
    ("2001::/23", "special-purpose"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "for documentation"),
]
_REFUSED = [(ipaddress.ip_network(network), kind) for network, kind in _MORE]
"""What Python calls global, or calls so in some of its versions, and is not to be connected to."""
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
"""Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890); RFC 4291 section 2.4."""


def kind_of(address: Address) -> str | None:
    """What kind of address this is when it is not an ordinary public one, such as 'loopback'; else None."""
    for network, kind in _REFUSED:
        if address.version == network.version and address in network:
            return kind
    for kind in _KINDS:
        if getattr(address, f"is_{kind}", False):
            return kind.replace("_", "-")
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in _GLOBAL_V6 or address.scope_id is not None
    ):
        return "not global"
    return None if address.is_global else "not global"


class AllowList:
    """Hosts, addresses and networks that a museum trusts although they are not public.

    An entry is a host name (without port, matched exactly), an address, or a network such as
    `10.1.0.0/16`. A host allowed by name may have any address. Raises SettingsError for anything else.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in entries:
            try:
                self._networks.append(ipaddress.ip_network(entry.strip("[] "), strict=False))
            except ValueError:
                self._names.add(_host_name(entry))

    def allows_name(self, host: str) -> bool:
        """Whether this host, as `locations.parse` writes it, may have any address."""
        return host in self._names

    def allows(self, address: Address) -> bool:
        """Whether this address was allowed, itself or the IPv4 address that it maps."""
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any(
            candidate.version == network.version and candidate in network
            for candidate in (address, mapped)
            if candidate is not None
            for network in self._networks
        )


def _host_name(entry: str) -> str:
    name = entry.strip().rstrip(".").lower()
    if not name or not all(c.isalnum() or c in "-_." for c in name):
        raise SettingsError(
            f"media.allow: {entry!r} is neither a host name, an address nor a network; give it without port or path"
        )
    return name
