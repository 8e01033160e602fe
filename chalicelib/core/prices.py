"""Holds the prices of the AWS services that a job uses: one dated table, per Region, which `EFT_PRICES` overrides.

The figures are the **commercial list prices of us-east-1**, for both Regions. AWS publishes GovCloud's prices in its
price list only. They are higher for most lines, and contracts change them. Anyone who pays should enter their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

DATED = "2025-06-01"
SOURCE = "commercial list prices of us-east-1"
_STANDARD = "STANDARD"


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in US dollars. Where S3 charges by storage class, a class that is not named costs as much as STANDARD."""

    dated: str
    source: str
    write_per_1000: Mapping[str, float]
    """PUT, COPY, POST, LIST."""
    read_per_1000: Mapping[str, float]
    """GET, HEAD and all others."""
    retrieval_per_gb: Mapping[str, float]
    """Reading from a class for rare access."""
    storage_per_gb_month: Mapping[str, float]
    transfer_per_gb: float
    """From one Region to another."""
    lambda_per_gb_second: float
    lambda_per_million: float
    sqs_per_million: float
    table_write_per_million: float
    """Write units, of each replica."""
    table_read_per_million: float
    kms_per_10000: float


LIST_PRICES = Prices(
    dated=DATED,
    source=SOURCE,
    write_per_1000={
        _STANDARD: 0.005,
        "STANDARD_IA": 0.01,
        "ONEZONE_IA": 0.01,
        "GLACIER_IR": 0.02,
        "GLACIER": 0.03,
        "DEEP_ARCHIVE": 0.05,
    },
    read_per_1000={_STANDARD: 0.0004, "STANDARD_IA": 0.001, "ONEZONE_IA": 0.001, "GLACIER_IR": 0.01},
    retrieval_per_gb={_STANDARD: 0.0, "STANDARD_IA": 0.01, "ONEZONE_IA": 0.01, "GLACIER_IR": 0.03},
    storage_per_gb_month={
        _STANDARD: 0.023,
        "REDUCED_REDUNDANCY": 0.024,
        "STANDARD_IA": 0.0125,
        "ONEZONE_IA": 0.01,
        "GLACIER_IR": 0.004,
        "GLACIER": 0.0036,
        "DEEP_ARCHIVE": 0.00099,
    },
    transfer_per_gb=0.02,
    lambda_per_gb_second=0.0000166667,
    lambda_per_million=0.20,
    sqs_per_million=0.40,
    table_write_per_million=0.625,
    table_read_per_million=0.125,
    kms_per_10000=0.03,
)


def of_class(table: Mapping[str, float], storage_class: str) -> float:
    return table.get(storage_class, table[_STANDARD])


def with_overrides(prices: Prices, overrides: Mapping[str, str | float | Mapping[str, float]]) -> Prices:
    """Return the prices with those in `overrides` replaced. In prices by storage class, only the named classes are
    replaced."""
    changes = {
        name: {**getattr(prices, name), **value} if isinstance(value, Mapping) else value
        for name, value in overrides.items()
    }
    return replace(prices, **changes)  # type: ignore[arg-type] # the settings have checked them
