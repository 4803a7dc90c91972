# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads from a bucket what the page of a run shows beside its record."""

from __future__ import annotations

import collections
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._container_text import sanitise
from ansible_collections.trainyard.aws.plugins.module_utils._progress import Reader
from ansible_collections.trainyard.aws.plugins.module_utils._run_report import Chart, Line, page
from ansible_collections.trainyard.aws.plugins.module_utils._run_usage import usage_groups, usage_ranks
from ansible_collections.trainyard.aws.plugins.module_utils._runs import attempts_of

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

MOST_LOG_BYTES = 256 * 1024**2
MOST_LINE_BYTES = 64 * 1024
SHOWN_LINES = 60


@dataclass(frozen=True)
class Report:
    """The page of a run, and its curves."""

    page: str
    curves: t.Sequence[Chart]


def report_of(s3: Client, bucket: str, place: str, record: t.Mapping[str, t.Any]) -> Report:
    """What there is to see of a run whose files are below ``place``. Raises botocore's ClientError and BotoCoreError."""
    earlier = [f"log-{attempt}.txt" for attempt in range(1, attempts_of(record))]
    reader, last_lines = read_log(s3, bucket, [place + name for name in (*earlier, "log.txt")])
    metrics = reader.progress.metrics
    curves = [
        Chart(name, "reading", [Line(name, [(float(x), y) for x, y in enumerate(metric.history, start=1)])])
        for name, metric in metrics.items()
    ]
    ranks = usage_ranks(names_at(s3, bucket, f"{place}usage-", place))
    usage = usage_groups({rank: read_json_lines(s3, bucket, f"{place}usage-{rank}.jsonl") for rank in ranks})
    known = {"metrics": {name: metric.last for name, metric in metrics.items()}, **record}
    events = list(read_json_lines(s3, bucket, f"{place}events-0.jsonl"))
    return Report(page(known, curves, events, last_lines, usage), curves)


def names_at(s3: Client, bucket: str, prefix: str, place: str) -> list[str]:
    """The objects that begin with ``prefix``, by their names below ``place``; of very many the first."""
    answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [each["Key"][len(place) :] for each in answer.get("Contents", ())]


def read_log(s3: Client, bucket: str, keys: t.Iterable[str]) -> tuple[Reader, list[str]]:
    """How far logs came that follow one another, and their last lines. Of a huge log only the end is read, of a huge line only the beginning."""
    reader, last = Reader(), collections.deque[str](maxlen=SHOWN_LINES)
    for key in keys:
        body = _open(s3, bucket, key)
        for line in body.iter_lines(chunk_size=1024**2) if body else ():
            text = sanitise(line[:MOST_LINE_BYTES].decode("utf-8", "replace"))
            reader.add(text)
            last.append(text)
    return reader, list(last)


def read_json_lines(s3: Client, bucket: str, key: str) -> t.Iterator[dict[str, t.Any]]:
    """The objects of a file with one on each line; a line that is none, such as a last one cut short, is left out."""
    body = _open(s3, bucket, key)
    for line in body.iter_lines() if body else ():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry


def _open(s3: Client, bucket: str, key: str) -> t.Any:
    """The body of an object, or None where there is none."""
    try:
        size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        end = {"Range": f"bytes=-{MOST_LOG_BYTES}"} if size > MOST_LOG_BYTES else {}
        return s3.get_object(Bucket=bucket, Key=key, **end)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise
