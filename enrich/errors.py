"""Everything that can go wrong and has a sentence for the person who reads it.

EnrichError                 exit 1, the base
├── SettingsError           exit 2: enrich.toml, an option or an environment variable is wrong
├── ProfileError            exit 2: a profile does not parse, or does not fit the graph
├── InputError              exit 2: a file, an IRI or a literal that cannot be used; a full disk
├── StoreError              exit 3: the triplestore refused or failed
│   ├── StoreHeld           … is held by another process: it can be read, not written
│   ├── StoreUnavailable    … does not answer; worth another try
│   │   └── StoreTimeout    … in time
│   ├── QueryRefused        … refused the request; another try would fail as well
│   └── ResultTruncated     … gave fewer rows than it has
├── ModelError              exit 4: a model folder is incomplete, altered or does not fit
├── ValidationError         exit 5: RDF that does not conform to the shapes, and was not written
├── RunError                exit 6: no such run, or not in a state that allows it
└── BrokerError             exit 7: no broker answers
"""

from typing import ClassVar


class EnrichError(Exception):
    """Base of all; the message is one line: what, where, what to do."""

    exit_code: ClassVar[int] = 1


class SettingsError(EnrichError):
    exit_code = 2


class ProfileError(EnrichError):
    exit_code = 2


class InputError(EnrichError):
    exit_code = 2


class StoreError(EnrichError):
    exit_code = 3


class StoreHeld(StoreError):
    """The embedded store is open in another process; it can be read beside that one, not written."""


class StoreUnavailable(StoreError):
    """The store does not answer; the same request may succeed later."""


class StoreTimeout(StoreUnavailable):
    """The store does not answer in time."""


class QueryRefused(StoreError):
    """The store refused the request; the same request would be refused again."""


class ResultTruncated(StoreError):
    """The store gave fewer rows than it has."""


class ModelError(EnrichError):
    exit_code = 4


class ValidationError(EnrichError):
    exit_code = 5


class RunError(EnrichError):
    exit_code = 6


class BrokerError(EnrichError):
    exit_code = 7
