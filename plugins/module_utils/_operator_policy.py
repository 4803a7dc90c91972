# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What the person who runs the playbooks may do for one stack, as IAM policies. Pure.

What is made must carry the stack's tag, and what is changed or removed must carry it already; roles, profiles and buckets
are named. An action stands here only if a playbook calls it, or AWS asks for it behind a call (see each statement's why).
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import astuple, dataclass, field

from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG, names_of

LONGEST_DOCUMENT = 6144  # characters of a managed policy, as IAM counts them: without white space

Condition = t.Mapping[str, t.Mapping[str, t.Any]]


@dataclass(frozen=True)
class Plan:
    """The stack that the policy is for."""

    stack: str
    account: str
    region: str
    bucket: str
    node_role: str
    termination_role: str
    schedule_group: str
    monitor_role: str
    monitor_password: str
    alarms: tuple[str, ...]
    partition: str = "aws"
    door: str = "bastion"
    egress: str = "nat_gateway"
    markets: tuple[str, ...] = ("on-demand",)
    flow_logs: bool = False
    lustre: bool = False
    termination_schedules: bool = False
    monitor: str = "instance"
    boundary: str = ""
    parameters: tuple[str, ...] = ()  # SSM parameters of images that are not AWS's public ones
    adopted: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """One statement of the policy, and the reason for it."""

    sid: str
    why: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: Condition = field(default_factory=dict)

    def as_dict(self) -> dict[str, t.Any]:
        written: dict[str, t.Any] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": list(self.resources) if len(self.resources) > 1 else self.resources[0],
        }
        return {**written, "Condition": self.condition} if self.condition else written


# What ec2:CreateTags may follow on, by the kind of thing that is made.
_BORN = {
    "AllocateAddress": "elastic-ip",
    "CreateInternetGateway": "internet-gateway",
    "CreateLaunchTemplate": "launch-template",
    "CreateNatGateway": "natgateway",
    "CreatePlacementGroup": "placement-group",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateVpc": "vpc",
    "ImportKeyPair": "key-pair",
}
_LOOKS = (
    "Addresses",
    "AvailabilityZones",
    "CapacityReservations",
    "Images",
    "InstanceAttribute",
    "InstanceConnectEndpoints",
    "InstanceStatus",
    "InstanceTypeOfferings",
    "InstanceTypes",
    "Instances",
    "InternetGateways",
    "KeyPairs",
    "LaunchTemplateVersions",
    "LaunchTemplates",
    "NatGateways",
    "NetworkInterfaces",
    "PlacementGroups",
    "RouteTables",
    "SecurityGroups",
    "SpotInstanceRequests",
    "SpotPriceHistory",
    "Subnets",
    "Tags",
    "Volumes",
    "VpcAttribute",
    "VpcEndpoints",
    "Vpcs",
    "FlowLogs",
)
_CHANGES = (
    "AssociateRouteTable",
    "AttachInternetGateway",
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CreateLaunchTemplateVersion",
    "CreateNatGateway",
    "CreateRoute",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "CreateSubnet",
    "DeleteInternetGateway",
    "DeleteKeyPair",
    "DeleteLaunchTemplate",
    "DeleteLaunchTemplateVersions",
    "DeleteNatGateway",
    "DeletePlacementGroup",
    "DeleteRoute",
    "DeleteRouteTable",
    "DeleteSecurityGroup",
    "DeleteSubnet",
    "DeleteVpc",
    "DetachInternetGateway",
    "DisassociateAddress",
    "DisassociateRouteTable",
    "ModifyInstanceAttribute",
    "ModifyInstanceMetadataOptions",
    "ModifyLaunchTemplate",
    "ModifySubnetAttribute",
    "ModifyVpcAttribute",
    "ReleaseAddress",
    "ReplaceRoute",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
    "RunInstances",
    "StartInstances",
    "TerminateInstances",
    "CreateTags",
)


def plan_for(stack: str, identity: t.Mapping[str, str], region: str, **choices: t.Any) -> Plan:
    """The plan for the account of the caller, whom sts:GetCallerIdentity has named."""
    names = names_of(stack, identity["Account"], region)
    partition = identity["Arn"].split(":")[1]
    return Plan(stack, identity["Account"], region, *astuple(names), partition=partition, **choices)


def own_parameters(images: t.Iterable[str]) -> tuple[str, ...]:
    """Those images that are SSM parameters, but not AWS's public ones."""
    return tuple(sorted({name for name in images if name.startswith("/") and not name.startswith("/aws/service/")}))


def statements(plan: Plan) -> list[Statement]:
    """Everything the operator needs for this plan."""
    return [
        *_looking(plan),
        *_making(plan),
        *_changing(plan),
        *_storage(plan),
        *_identity(plan),
        *_termination(plan),
        *_watching(plan),
        *_ways(plan),
        *_adoption(plan),
    ]


def _arn(plan: Plan, service: str, resource: str, region: str | None = None, account: str | None = None) -> str:
    where = plan.region if region is None else region
    whose = plan.account if account is None else account
    return f"arn:{plan.partition}:{service}:{where}:{whose}:{resource}"


def _ec2(plan: Plan, *kinds: str) -> tuple[str, ...]:
    return tuple(_arn(plan, "ec2", f"{kind}/*") for kind in kinds)


def _born(plan: Plan) -> Condition:
    return {"StringEquals": {f"aws:RequestTag/{STACK_TAG}": plan.stack}}


def _ours(plan: Plan) -> Condition:
    return {"StringEquals": {f"aws:ResourceTag/{STACK_TAG}": plan.stack}}


def _named(service: str, names: t.Iterable[str], prefix: str = "") -> tuple[str, ...]:
    return tuple(f"{service}:{prefix}{name}" for name in names)


def _looking(plan: Plan) -> list[Statement]:
    here: Condition = {"StringEquals": {"aws:RequestedRegion": plan.region}}
    public = _arn(plan, "ssm", "parameter/aws/service/*", account="")
    own = tuple(_arn(plan, "ssm", f"parameter/{name.lstrip('/')}") for name in plan.parameters)
    return [
        Statement("Look", "AWS takes no resource for these.", _named("ec2", _LOOKS, "Describe"), condition=here),
        Statement(
            "LookAround",
            "Prices, quotas and the sweeps have no resources either; prices are asked of another region.",
            (
                "tag:GetResources",
                "fsx:DescribeFileSystems",
                "pricing:GetProducts",
                "servicequotas:ListServiceQuotas",
                *(["scheduler:ListSchedules"] if plan.termination_schedules else []),
            ),
        ),
        Statement("FindImages", "The newest image of a publisher.", ("ssm:GetParameter",), (public, *own)),
    ]


def _made(plan: Plan) -> dict[str, str]:
    """What the plan makes in EC2: the call, and the kind of thing."""
    made = {**_BORN, "CreateVpcEndpoint": "vpc-endpoint"}
    if plan.door == "instance_connect":
        made["CreateInstanceConnectEndpoint"] = "instance-connect-endpoint"
    if plan.flow_logs:
        made["CreateFlowLogs"] = "vpc-flow-log"
    return made


def _making(plan: Plan) -> list[Statement]:
    made = _made(plan)
    launched = ("instance", "volume", *(("spot-instances-request",) if "spot" in plan.markets else ()))
    images = _arn(plan, "ec2", "image/*", account="")
    reserved = {"capacity-reservation", "capacity-block"} & set(plan.markets)
    return [
        Statement(
            "MakeOurs",
            "What is made carries the tag from the first moment.",
            _named("ec2", [*made, "RunInstances"]),
            _ec2(plan, *sorted(made.values()), *launched),
            _born(plan),
        ),
        Statement(
            "LaunchFromImages",
            "Images and reservations are not the stack's; an interface is made with its instance and goes with it.",
            ("ec2:RunInstances",),
            (images, *_ec2(plan, "network-interface", *(["capacity-reservation"] if reserved else []))),
        ),
        Statement(
            "TagAtBirth",
            "Tags in the call that makes a thing are a right of their own.",
            ("ec2:CreateTags",),
            _ec2(plan, "*"),
            {"StringEquals": {**_born(plan)["StringEquals"], "ec2:CreateAction": sorted([*made, "RunInstances"])}},
        ),
    ]


def _changing(plan: Plan) -> list[Statement]:
    changes = [*_CHANGES, "CreateVpcEndpoint", "DeleteVpcEndpoints", "ModifyVpcEndpoint"]
    if plan.door == "instance_connect":
        changes += ["CreateInstanceConnectEndpoint", "DeleteInstanceConnectEndpoint"]
    if plan.flow_logs:
        changes += ["CreateFlowLogs", "DeleteFlowLogs"]
    if "spot" in plan.markets:
        changes += ["CancelSpotInstanceRequests"]
    untagged: Condition = {"Null": {f"aws:ResourceTag/{STACK_TAG}": "true"}}
    return [
        Statement(
            "ChangeOurs",
            "Changed, used or removed is only what carries the tag.",
            _named("ec2", sorted(changes)),
            _ec2(plan, "*"),
            _ours(plan),
        ),
        Statement(
            "EmptyDefaultGroup",
            "AWS makes the default security group with the VPC, without any tag.",
            ("ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress"),
            _ec2(plan, "security-group"),
            untagged,
        ),
    ]


_FILE_SYSTEM_LOOKS = (
    "AccessPoints",
    "BackupPolicy",
    "FileSystemPolicy",
    "FileSystems",
    "LifecycleConfiguration",
    "MountTargetSecurityGroups",
    "MountTargets",
)
_FILE_SYSTEM_CHANGES = (
    "CreateAccessPoint",
    "CreateMountTarget",
    "DeleteAccessPoint",
    "DeleteFileSystem",
    "DeleteFileSystemPolicy",
    "DeleteMountTarget",
    "ModifyMountTargetSecurityGroups",
    "PutBackupPolicy",
    "PutFileSystemPolicy",
    "PutLifecycleConfiguration",
    "TagResource",
    "UpdateFileSystem",
)


def _storage(plan: Plan) -> list[Statement]:
    efs = "elasticfilesystem"
    at_birth = {**_born(plan)["StringEquals"], f"{efs}:CreateAction": ["CreateFileSystem", "CreateAccessPoint"]}
    tagging = "Tags in the call that makes it are a right of their own."
    making = "EFS and Instance Connect make their interfaces with their caller's rights, in our subnets and groups."
    interfaces = ("CreateNetworkInterface", "DeleteNetworkInterface", "ModifyNetworkInterfaceAttribute")
    return [
        Statement("LookAtFileSystems", "Listing takes no tag.", _named(efs, _FILE_SYSTEM_LOOKS, "Describe")),
        Statement("MakeFileSystem", "Tagged at birth.", (f"{efs}:CreateFileSystem",), condition=_born(plan)),
        Statement("TagFileSystemAtBirth", tagging, (f"{efs}:TagResource",), condition={"StringEquals": at_birth}),
        Statement("ChangeFileSystem", "Only ours.", _named(efs, _FILE_SYSTEM_CHANGES), condition=_ours(plan)),
        Statement(
            "MakeInterfaces",
            making,
            ("ec2:CreateNetworkInterface",),
            _ec2(plan, "subnet", "security-group"),
            _ours(plan),
        ),
        Statement(
            "KeepInterfaces",
            "The interfaces themselves carry no tag of ours.",
            _named("ec2", interfaces),
            _ec2(plan, "network-interface"),
        ),
        *_bucket(f"arn:{plan.partition}:s3:::{plan.bucket}"),
        *_lustre(plan),
    ]


def _bucket(bucket: str) -> list[Statement]:
    settings = (
        "BucketOwnershipControls",
        "BucketPolicy",
        "BucketPublicAccessBlock",
        "BucketTagging",
        "BucketVersioning",
        "EncryptionConfiguration",
        "LifecycleConfiguration",
    )
    return [
        Statement(
            "KeepBucket",
            "The one bucket, by its name.",
            (
                "s3:CreateBucket",
                "s3:DeleteBucket",
                "s3:DeleteBucketPolicy",
                "s3:ListBucket",
                "s3:ListBucketVersions",
                "s3:TagResource",
                *_named("s3", settings, "Get"),
                *_named("s3", settings, "Put"),
            ),
            (bucket,),
        ),
        Statement(
            "KeepObjects",
            "The lock, what is staged and what comes out; versions go when the results are purged.",
            (
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                "s3:GetObject",
                "s3:PutObject",
            ),
            (f"{bucket}/*",),
        ),
    ]


_LUSTRE_CHANGES = (
    "DeleteFileSystem",
    "TagResource",
    "UpdateDataRepositoryAssociation",
    "UpdateFileSystem",
)


def _lustre(plan: Plan) -> list[Statement]:
    if not plan.lustre:
        return []
    return [
        Statement("LookAtLustre", "Listing takes no tag.", ("fsx:DescribeDataRepositoryAssociations",)),
        Statement(
            "MakeLustre",
            "Tagged at birth. FSx makes its interfaces with a role of its own.",
            ("fsx:CreateDataRepositoryAssociation", "fsx:CreateFileSystem", "fsx:TagResource"),
            condition=_born(plan),
        ),
        Statement("ChangeLustre", "Only ours.", _named("fsx", _LUSTRE_CHANGES), condition=_ours(plan)),
        Statement(
            "LinkLustre",
            "FSx makes the role by which it reaches the bucket with its caller's rights.",
            ("iam:CreateServiceLinkedRole", "iam:AttachRolePolicy", "iam:PutRolePolicy"),
            (_arn(plan, "iam", "role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/*", region=""),),
        ),
    ]


_ROLE = (
    "AddRoleToInstanceProfile",
    "CreateInstanceProfile",
    "DeleteInstanceProfile",
    "DeleteRole",
    "DeleteRolePolicy",
    "GetInstanceProfile",
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListInstanceProfilesForRole",
    "ListRolePolicies",
    "RemoveRoleFromInstanceProfile",
    "TagInstanceProfile",
    "TagRole",
)


def _identity(plan: Plan) -> list[Statement]:
    role = _arn(plan, "iam", f"role/{plan.node_role}", region="")
    profile = _arn(plan, "iam", f"instance-profile/{plan.node_role}", region="")
    services = ["elasticfilesystem.amazonaws.com"]
    services += ["spot.amazonaws.com"] if "spot" in plan.markets else []
    services += ["ec2-instance-connect.amazonaws.com"] if plan.door == "instance_connect" else []
    services += ["fsx.amazonaws.com"] if plan.lustre else []
    boundary: Condition = {"StringEquals": {"iam:PermissionsBoundary": plan.boundary}} if plan.boundary else {}
    giving = ("iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary")
    return [
        Statement("KeepNodeRole", "The one role and profile, by their name.", _named("iam", _ROLE), (role, profile)),
        Statement("GiveNodeRole", "With its boundary, where the plan names one.", giving, (role,), boundary),
        Statement(
            "HandOnNodeRole",
            "To instances and to nothing else.",
            ("iam:PassRole",),
            (role,),
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        Statement(
            "ServiceRoles",
            "AWS makes these once in the life of an account, when the first such thing is made.",
            ("iam:CreateServiceLinkedRole",),
            (_arn(plan, "iam", "role/aws-service-role/*", region=""),),
            {"StringEquals": {"iam:AWSServiceName": services}},
        ),
        Statement(
            "AskWhatIsMissing",
            "The plan says which rights are missing.",
            ("iam:SimulatePrincipalPolicy",),
            (_arn(plan, "iam", "user/*", region=""), _arn(plan, "iam", "role/*", region="")),
        ),
    ]


_MONITOR_ROLE = tuple(action for action in _ROLE if action not in ("GetInstanceProfile", "GetRole"))


def _watching(plan: Plan) -> list[Statement]:
    """Alarms and the monitor. Every stack is asked for the monitor, since one may be left of a former plan."""
    alarms = tuple(_arn(plan, "cloudwatch", f"alarm:{name}") for name in plan.alarms)
    role = _arn(plan, "iam", f"role/{plan.monitor_role}", region="")
    profile = _arn(plan, "iam", f"instance-profile/{plan.monitor_role}", region="")
    password = _arn(plan, "ssm", f"parameter{plan.monitor_password}")
    keeping = ("DeleteAlarms", "ListTagsForResource", "PutMetricAlarm", "TagResource")
    looks = ("iam:GetInstanceProfile", "iam:GetRole", "ssm:ListTagsForResource")
    found = [
        Statement("LookForAlarms", "Alarms are looked for in a list.", ("cloudwatch:DescribeAlarms",)),
        Statement("KeepAlarms", "The few alarms, by their names.", _named("cloudwatch", keeping), alarms),
        Statement("LookForMonitor", "Its role and its password, by their names.", looks, (role, profile, password)),
    ]
    if plan.monitor == "none":
        return found
    boundary: Condition = {"StringEquals": {"iam:PermissionsBoundary": plan.boundary}} if plan.boundary else {}
    giving = ("iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary")
    passwords = ("ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter")
    return [
        *found,
        Statement("KeepMonitorRole", "One role and profile, by name.", _named("iam", _MONITOR_ROLE), (role, profile)),
        Statement("GiveMonitorRole", "With its boundary, where the plan names one.", giving, (role,), boundary),
        Statement(
            "HandOnMonitorRole",
            "To instances and to nothing else.",
            ("iam:PassRole",),
            (role,),
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        Statement("KeepPassword", "The one parameter, by its name.", passwords, (password,)),
        Statement("ListParameters", "The module looks for it in the list.", ("ssm:DescribeParameters",)),
        *_monitor_on_bastion(plan),
    ]


def _monitor_on_bastion(plan: Plan) -> list[Statement]:
    if plan.monitor != "bastion":
        return []
    why, giving = "A bastion that is there already gets the role later.", ("ec2:AssociateIamInstanceProfile",)
    return [Statement("GiveBastionRole", why, giving, _ec2(plan, "instance"), _ours(plan))]


_SCHEDULES = ("CreateSchedule", "CreateScheduleGroup", "DeleteSchedule", "DeleteScheduleGroup", "TagResource")
_TERMINATION_ROLE = (
    "DeleteRole",
    "DeleteRolePolicy",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListInstanceProfilesForRole",
    "ListRolePolicies",
    "TagRole",
)


def _termination(plan: Plan) -> list[Statement]:
    """The clock in the account that ends nodes. Every stack is asked for it, since one may be left of a former plan."""
    role = _arn(plan, "iam", f"role/{plan.termination_role}", region="")
    group = _arn(plan, "scheduler", f"schedule-group/{plan.schedule_group}")
    looks = ("iam:GetRole", "scheduler:GetScheduleGroup", "scheduler:ListTagsForResource")
    looking = Statement("LookForSchedules", "The schedules and their role, by their names.", looks, (role, group))
    if not plan.termination_schedules:
        return [looking]
    boundary: Condition = {"StringEquals": {"iam:PermissionsBoundary": plan.boundary}} if plan.boundary else {}
    giving = ("iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary")
    return [
        looking,
        Statement(
            "KeepSchedules",
            "Schedules carry no tags; they lie in the one group, which has a name and the tags.",
            _named("scheduler", _SCHEDULES),
            (group, _arn(plan, "scheduler", f"schedule/{plan.schedule_group}/*")),
        ),
        Statement("KeepTerminationRole", "The one role, by its name.", _named("iam", _TERMINATION_ROLE), (role,)),
        Statement("GiveTerminationRole", "With its boundary, where the plan names one.", giving, (role,), boundary),
        Statement(
            "HandOnTerminationRole",
            "To EventBridge Scheduler and to nothing else.",
            ("iam:PassRole",),
            (role,),
            {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        ),
    ]


def _ways(plan: Plan) -> list[Statement]:
    """How the operator comes in, what lies behind the way out, and where the flow logs go."""
    found: list[Statement] = []
    if plan.door == "ssm":
        document = _arn(plan, "ssm", "document/AWS-StartSSHSession", account="")
        found += [
            Statement("OpenSession", "SSH over SSM.", ("ssm:StartSession",), _ec2(plan, "instance"), _ours(plan)),
            Statement("SessionDocument", "The kind of session.", ("ssm:StartSession",), (document,)),
            Statement(
                "EndSession",
                "One's own sessions.",
                ("ssm:ResumeSession", "ssm:TerminateSession"),
                (_arn(plan, "ssm", "session/${aws:userid}-*"),),
            ),
        ]
    if plan.door == "instance_connect":
        endpoint = _ec2(plan, "instance-connect-endpoint")
        found.append(
            Statement(
                "OpenTunnel", "SSH through the endpoint.", ("ec2-instance-connect:OpenTunnel",), endpoint, _ours(plan)
            )
        )
    if plan.egress == "endpoints":
        zones = f"arn:{plan.partition}:route53:::hostedzone/*"
        found.append(
            Statement(
                "NameEndpoints", "Their names lie in AWS's zones.", ("route53:AssociateVPCWithHostedZone",), (zones,)
            )
        )
    if plan.flow_logs:
        delivery = ("logs:CreateLogDelivery", "logs:DeleteLogDelivery")
        found.append(Statement("DeliverFlowLogs", "Flow logs into a bucket ask for these.", delivery))
    return found


def _adoption(plan: Plan) -> list[Statement]:
    """Adopted things carry no tag of ours, so they are named; they are used, and never changed."""
    adopted = plan.adopted
    kinds = {
        "vpc": [adopted.get("vpc_id")],
        "subnet": [*(adopted.get("public_subnet_ids") or ()), *(adopted.get("private_subnet_ids") or ())],
        "security-group": list(adopted.get("security_group_ids") or ()),
        "key-pair": [adopted.get("key_name")],
    }
    resources = tuple(_arn(plan, "ec2", f"{kind}/{name}") for kind, names in kinds.items() for name in names if name)
    found: list[Statement] = []
    if resources:
        uses = ["CreateSecurityGroup", "RunInstances", "CreateNetworkInterface", "CreateVpcEndpoint"]
        uses += ["CreateInstanceConnectEndpoint"] if plan.door == "instance_connect" else []
        found.append(Statement("UseAdopted", "Named, since they are not ours.", _named("ec2", uses), resources))
    if adopted.get("bucket"):
        bucket = f"arn:{plan.partition}:s3:::{adopted['bucket']}"
        actions = ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
        found.append(Statement("UseAdoptedBucket", "Its objects, not its settings.", actions, (bucket, f"{bucket}/*")))
    return found


def document(chosen: t.Iterable[Statement]) -> dict[str, t.Any]:
    return {"Version": "2012-10-17", "Statement": [statement.as_dict() for statement in chosen]}


def documents(chosen: t.Sequence[Statement]) -> list[dict[str, t.Any]]:
    """As few policies as hold all statements, each short enough for IAM."""
    parts: list[list[Statement]] = [[]]
    for statement in chosen:
        if parts[-1] and length(document([*parts[-1], statement])) > LONGEST_DOCUMENT:
            parts.append([])
        parts[-1].append(statement)
    return [document(part) for part in parts]


def length(policy: t.Mapping[str, t.Any]) -> int:
    """How long IAM takes the policy to be."""
    return len(json.dumps(policy, separators=(",", ":")))


def simulations(chosen: t.Iterable[Statement]) -> list[dict[str, t.Any]]:
    """The questions for IAM's simulator that tell which of these statements the caller lacks.

    What is asked of the same resource under the same conditions is one question.
    """
    questions: dict[str, dict[str, t.Any]] = {}
    for statement in chosen:
        resource = statement.resources[0].replace("*", "any") if statement.resources[0] != "*" else "*"
        about = {"ResourceArns": [resource], "ContextEntries": _context(statement.condition)}
        question = questions.setdefault(json.dumps(about), {"ActionNames": [], **about})
        question["ActionNames"] = sorted({*question["ActionNames"], *statement.actions})
    return list(questions.values())


def _context(condition: Condition) -> list[dict[str, t.Any]]:
    """The circumstances in which the condition holds."""
    return [
        {
            "ContextKeyName": key,
            "ContextKeyType": "string",
            "ContextKeyValues": value[:1] if isinstance(value, list) else [value],
        }
        for operator, keys in condition.items()
        if operator == "StringEquals"
        for key, value in keys.items()
    ]
