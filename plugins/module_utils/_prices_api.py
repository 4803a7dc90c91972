# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Asks AWS what things cost, everything at once. Reads only; what cannot be asked is left out."""

from __future__ import annotations

import datetime
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trainyard.aws.plugins.module_utils._prices import (
    PriceList,
    Question,
    instance_question,
    part_questions,
    usd_of_instance,
    usd_of_part,
)

try:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

_ENDPOINTS = {"cn": "cn-northwest-1", "eu": "eu-central-1", "ap": "ap-south-1"}


def pricing_client(module: t.Any) -> Client:
    """The Price List API has few endpoints, and nobody shall wait long for it: a table stands behind."""
    config = Config(connect_timeout=3, read_timeout=6, retries={"mode": "standard", "total_max_attempts": 2})
    return module.client("pricing", region=_ENDPOINTS.get(module.region.split("-")[0], "us-east-1"), config=config)


def price_list(
    pricing: Client, ec2: Client, region: str, types: t.Collection[str], spot: t.Collection[str], parts: t.Iterable[str]
) -> PriceList:
    """Prices of instance types on demand, of those in ``spot`` also on the spot market, and of billable parts."""
    by_type = {name: instance_question(name, region) for name in sorted(set(types))}
    by_part = part_questions(parts, region)
    questions = list(dict.fromkeys([*by_type.values(), *by_part.values()]))
    unreachable = threading.Event()
    with ThreadPoolExecutor(max_workers=16) as pool:
        of_spot = pool.submit(spot_prices, ec2, sorted(set(spot)))
        answers = pool.map(lambda question: _documents(pricing, question, unreachable), questions)
        documents = dict(zip(questions, answers))
    instances = {name: usd_of_instance(documents[question]) for name, question in by_type.items()}
    known = {name: usd_of_part(name, documents[question]) for name, question in by_part.items()}
    return PriceList(
        region,
        {name: usd for name, usd in instances.items() if usd is not None},
        {name: usd for name, usd in known.items() if usd is not None},
        of_spot.result(),
    )


def _documents(pricing: Client, question: Question, unreachable: threading.Event) -> list[str]:
    if unreachable.is_set():  # the first to wait in vain waits for all
        return []
    try:
        pages = pricing.get_paginator("get_products").paginate(
            ServiceCode=question.service, Filters=question.filters(), FormatVersion="aws_v1"
        )
        return [document for page in pages for document in page["PriceList"]]
    except ClientError:
        return []
    except BotoCoreError:
        unreachable.set()
        return []


def spot_prices(ec2: Client, types: t.Sequence[str]) -> dict[tuple[str, str], float]:
    """The spot price now, by type and zone."""
    if not types:
        return {}
    found: dict[tuple[str, str], tuple[t.Any, float]] = {}
    try:
        pages = ec2.get_paginator("describe_spot_price_history").paginate(
            InstanceTypes=list(types),
            ProductDescriptions=["Linux/UNIX"],
            StartTime=datetime.datetime.now(datetime.timezone.utc),
        )
        for item in (item for page in pages for item in page["SpotPriceHistory"]):
            key = (item["InstanceType"], item["AvailabilityZone"])
            if key not in found or item["Timestamp"] > found[key][0]:
                found[key] = (item["Timestamp"], float(item["SpotPrice"]))
    except (BotoCoreError, ClientError):
        return {}
    return {key: usd for key, (_time, usd) in found.items()}
