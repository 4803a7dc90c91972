# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""List prices of us-east-1, for when the Price List API cannot be reached. In US dollars.

Accelerated types: the Price List API as read on 2026-07-20. Other types: as read on 2026-02-09. The rest: AWS's price
pages, the same since 2024-02, when public IPv4 addresses began to cost. That of an alarm is what is generally said and published by
others (0.10 a month, of standard resolution), since AWS's own page could not be read. Whoever uses a figure says that it is from here.
"""

from __future__ import annotations

AS_OF = "2026-07-20"
REGION = "us-east-1"

# Linux, on demand, shared tenancy; an hour.
PER_HOUR = {
    "g4dn": {
        "xlarge": 0.526, "2xlarge": 0.752, "4xlarge": 1.204, "8xlarge": 2.176,
        "12xlarge": 3.912, "16xlarge": 4.352, "metal": 7.824,
    },
    "g5": {
        "xlarge": 1.006, "2xlarge": 1.212, "4xlarge": 1.624, "8xlarge": 2.448,
        "12xlarge": 5.672, "16xlarge": 4.096, "24xlarge": 8.144, "48xlarge": 16.288,
    },
    "g6": {
        "xlarge": 0.8048, "2xlarge": 0.9776, "4xlarge": 1.3232, "8xlarge": 2.0144,
        "12xlarge": 4.6016, "16xlarge": 3.3968, "24xlarge": 6.6752, "48xlarge": 13.3504,
    },
    "gr6": {"4xlarge": 1.5392, "8xlarge": 2.4464},
    "g6e": {
        "xlarge": 1.861, "2xlarge": 2.24208, "4xlarge": 3.00424, "8xlarge": 4.52856,
        "12xlarge": 10.49264, "16xlarge": 7.57719, "24xlarge": 15.06559, "48xlarge": 30.13118,
    },
    "g6f": {"large": 0.202, "xlarge": 0.2375, "2xlarge": 0.475, "4xlarge": 0.95},
    "gr6f": {"4xlarge": 1.066},
    "g7e": {
        "2xlarge": 3.36312, "4xlarge": 3.99816, "8xlarge": 5.26824,
        "12xlarge": 8.28608, "24xlarge": 16.57216, "48xlarge": 33.14432,
    },
    "p3dn": {"24xlarge": 31.212},
    "p4d": {"24xlarge": 21.957642},
    "p4de": {"24xlarge": 27.44705},
    "p5": {"4xlarge": 6.88, "48xlarge": 55.04},
    "p5en": {"48xlarge": 63.296},
    "p6-b200": {"48xlarge": 113.9328},
    "p6-b300": {"48xlarge": 142.416},
    "trn1": {"2xlarge": 1.34375, "32xlarge": 21.5},
    "trn1n": {"32xlarge": 24.78},
    "inf2": {"xlarge": 0.7582, "8xlarge": 1.96786, "24xlarge": 6.49063, "48xlarge": 12.98127},
    "dl1": {"24xlarge": 13.10904},
}  # fmt: skip

# Families whose sizes cost in proportion; an hour of the size "large".
PER_HOUR_OF_LARGE = {
    "t3": 0.0832,
    "t3a": 0.0752,
    "t4g": 0.0672,
    "c5": 0.085,
    "c6a": 0.0765,
    "c6i": 0.085,
    "c7g": 0.0725,
    "c7i": 0.08925,
    "m5": 0.096,
    "m6i": 0.096,
    "m7g": 0.0816,
    "m7i": 0.1008,
    "r5": 0.126,
    "r6i": 0.126,
    "r7i": 0.1323,
}
SIZES_OF_LARGE = {"nano": 1 / 16, "micro": 1 / 8, "small": 1 / 4, "medium": 1 / 2, "large": 1.0, "xlarge": 2.0}

# By the names in _prices.PARTS.
PARTS = {
    "ebs_gib": 0.08,
    "ebs_iops": 0.005,
    "ebs_mibps": 0.04,
    "nat_hour": 0.045,
    "nat_gib": 0.045,
    "public_ipv4_hour": 0.005,
    "endpoint_hour": 0.01,
    "endpoint_gib": 0.01,
    "efs_gib": 0.3,
    "efs_read_gib": 0.03,
    "efs_write_gib": 0.06,
    "s3_gib": 0.023,
    "metric": 0.3,
    "alarm": 0.1,
    "log_gib": 0.5,
    "flow_log_gib": 0.25,
    "lustre_scratch_gib": 0.14,
    "lustre_persistent_gib": 0.145,
}
