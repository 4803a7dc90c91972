# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS asks IAM about a call: which actions on which resources, with which condition keys.

After the Service Authorization Reference and the EC2 and EFS guides. A call may be several questions: RunInstances asks
about each thing it makes and uses, tags at birth ask for CreateTags, and a role that is handed on asks for PassRole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from moto.backends import get_backend

from lab.calls import Call
from lab.patching import regional_backends
from lab.policies import Question
from lab.settings import ACCOUNT

Context = dict[str, str | list[str]]

PREFIX = {"efs": "elasticfilesystem", "resourcegroupstaggingapi": "tag", "service-quotas": "servicequotas"}
READS = ("Describe", "Get", "List", "Search")
EC2_TYPES = {
    "acl": "network-acl",
    "ami": "image",
    "cr": "capacity-reservation",
    "eice": "instance-connect-endpoint",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "fl": "vpc-flow-log",
    "i": "instance",
    "igw": "internet-gateway",
    "key": "key-pair",
    "lt": "launch-template",
    "nat": "natgateway",
    "pg": "placement-group",
    "rtb": "route-table",
    "sg": "security-group",
    "sir": "spot-instances-request",
    "snap": "snapshot",
    "subnet": "subnet",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
EC2_MAKES = {
    "AllocateAddress": ("elastic-ip",),
    "CreateFlowLogs": ("vpc-flow-log",),
    "CreateInstanceConnectEndpoint": ("instance-connect-endpoint",),
    "CreateInternetGateway": ("internet-gateway",),
    "CreateKeyPair": ("key-pair",),
    "CreateLaunchTemplate": ("launch-template",),
    "CreateNatGateway": ("natgateway",),
    "CreateNetworkInterface": ("network-interface",),
    "CreatePlacementGroup": ("placement-group",),
    "CreateRouteTable": ("route-table",),
    "CreateSecurityGroup": ("security-group",),
    "CreateSubnet": ("subnet",),
    "CreateVolume": ("volume",),
    "CreateVpc": ("vpc",),
    "CreateVpcEndpoint": ("vpc-endpoint",),
    "ImportKeyPair": ("key-pair",),
    "RunInstances": ("instance", "volume", "network-interface"),
}
# Where a call names more things than AWS asks about.
EC2_ASKS_ONLY_OF = {
    "CreateLaunchTemplateVersion": ("launch-template",),
    "CreateRoute": ("route-table",),
    "DeleteRoute": ("route-table",),
    "ReplaceRoute": ("route-table",),
    "CreateFlowLogs": ("vpc", "subnet", "network-interface"),
    "CreateLaunchTemplate": (),
}
EC2_NOT_RESOURCES = ("IpPermissions", "TagSpecifications", "LaunchTemplateData", "UserData", "ClientToken")
EC2_ID = re.compile(r"([a-z]+)-[0-9a-f]{8,}")
S3_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}


def questions(call: Call) -> list[Question]:
    """Everything that must be allowed for the call to go through."""
    ask = {
        "cloudwatch": _cloudwatch,
        "ec2": _ec2,
        "s3": _s3,
        "iam": _iam,
        "efs": _efs,
        "fsx": _fsx,
        "scheduler": _scheduler,
        "secretsmanager": _secretsmanager,
        "ssm": _ssm,
    }.get(call.service, _other)
    return [with_common_keys(one, call.region) for one in ask(call)]


def with_common_keys(question: Question, region: str) -> Question:
    """The question with the condition keys that every one has."""
    base: Context = {"aws:RequestedRegion": region, "aws:SecureTransport": "true"}
    return Question(question.action, question.resource, {**base, **question.context})


def tunnel(region: str, endpoint: str, port: int) -> Question:
    """What is asked when a connection through an Instance Connect endpoint is opened, which is no call of the API."""
    tags = resource_tags(get_backend("ec2")[ACCOUNT][region].tags.get(endpoint, {}))
    resource = arn("ec2", region, f"instance-connect-endpoint/{endpoint}")
    context = {"ec2-instance-connect:remotePort": str(port), **tags}
    return with_common_keys(Question("ec2-instance-connect:OpenTunnel", resource, context), region)


def arn(service: str, region: str, rest: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:{region}:{account}:{rest}"


def request_tags(tags: Any) -> Context:
    """The condition keys of tags that a call brings along."""
    pairs = {
        str(tag.get("Key", tag.get("TagKey"))): str(tag.get("Value", tag.get("TagValue", ""))) for tag in tags or ()
    }
    found: Context = {f"aws:RequestTag/{key}": value for key, value in pairs.items()}
    return {**found, "aws:TagKeys": sorted(pairs)} if pairs else {}


def resource_tags(tags: dict[str, str]) -> Context:
    return {f"aws:ResourceTag/{key}": str(value) for key, value in tags.items()}


# ---- EC2 -------------------------------------------------------------------------------------------------------------


def _ec2(call: Call) -> Iterator[Question]:
    action = f"ec2:{call.action}"
    if call.action.startswith(READS):
        yield Question(action)
        return
    parameters = call.parameters if call.action != "RunInstances" else _with_template(call)
    born = {item.get("ResourceType"): item.get("Tags") for item in parameters.get("TagSpecifications", [])}
    made = EC2_MAKES.get(call.action, ())
    asked = [(arn("ec2", call.region, f"{kind}/*"), request_tags(born.get(kind))) for kind in made]
    asked += [(name, context) for name, context in _ec2_existing(call, parameters)]
    tagging = request_tags(parameters.get("Tags")) if call.action in ("CreateTags", "DeleteTags") else {}
    for resource, context in asked or [("*", {})]:
        yield Question(action, resource, {**context, **tagging})
    for kind, tags in born.items():
        context = {"ec2:CreateAction": call.action, **request_tags(tags)}
        yield Question("ec2:CreateTags", arn("ec2", call.region, f"{kind}/*"), context)
    yield from _behind_ec2(call, parameters)


def _behind_ec2(call: Call, parameters: dict[str, Any]) -> Iterator[Question]:
    """What EC2 does elsewhere with the rights of its caller."""
    if call.action == "RunInstances":
        yield from _pass_role(_roles_of_profile(parameters.get("IamInstanceProfile", {})), "ec2.amazonaws.com")
        if parameters.get("InstanceMarketOptions", {}).get("MarketType") == "spot":
            yield _service_role("spot.amazonaws.com")
    elif call.action == "CreateInstanceConnectEndpoint":
        yield from _new_interface(call)
        yield _service_role("ec2-instance-connect.amazonaws.com")
    elif call.action == "CreateVpcEndpoint" and parameters.get("VpcEndpointType") == "Interface":
        yield Question("route53:AssociateVPCWithHostedZone", "arn:aws:route53:::hostedzone/*")
    elif call.action == "CreateFlowLogs" and parameters.get("LogDestinationType") == "s3":
        yield Question("logs:CreateLogDelivery")
    elif call.action == "DeleteFlowLogs":
        yield Question("logs:DeleteLogDelivery")


def _new_interface(call: Call) -> Iterator[Question]:
    yield Question("ec2:CreateNetworkInterface", arn("ec2", call.region, "network-interface/*"))
    made = Call("ec2", "CreateNetworkInterface", call.region, call.access_key, "ec2", call.parameters)
    for resource, context in _ec2_existing(made, call.parameters):
        yield Question("ec2:CreateNetworkInterface", resource, context)


def _service_role(service: str) -> Question:
    """Asked until the account has the role. In the lab that is always: it makes none."""
    role = arn("iam", "", f"role/aws-service-role/{service}/*")
    return Question("iam:CreateServiceLinkedRole", role, {"iam:AWSServiceName": service})


def _ec2_existing(call: Call, parameters: dict[str, Any]) -> Iterator[tuple[str, Context]]:
    """The things that are there already and that the call names, with their tags."""
    backend = get_backend("ec2")[ACCOUNT][call.region]
    only = EC2_ASKS_ONLY_OF.get(call.action)
    for identity in dict.fromkeys(_identities(backend, call, parameters)):
        kind = EC2_TYPES.get(identity.split("-", 1)[0], "")
        if kind and (only is None or kind in only) and not (call.action == "ImportKeyPair" and kind == "key-pair"):
            name = _name(backend, identity)
            owner = "" if kind == "image" else ACCOUNT
            yield arn("ec2", call.region, f"{kind}/{name}", owner), resource_tags(backend.tags.get(identity, {}))


def _identities(backend: Any, call: Call, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in EC2_NOT_RESOURCES:
                yield from _named(backend, key, item) if isinstance(item, str) else _identities(backend, call, item)
    elif isinstance(value, list):
        for item in value:
            yield from _named(backend, "", item) if isinstance(item, str) else _identities(backend, call, item)


def _named(backend: Any, key: str, text: str) -> Iterator[str]:
    """The id behind a parameter that holds an id or a name."""
    if key == "KeyName":
        yield from [pair.id for pair in backend.key_pairs.values() if pair.key_name == text]
    elif key == "LaunchTemplateName":
        yield from [template.id for template in backend.launch_templates.values() if template.name == text]
    elif key == "AssociationId" and text.startswith("rtbassoc-"):
        yield from [table.id for table in backend.route_tables.values() if text in table._associations]
    elif key == "AssociationId" and text.startswith("eipassoc-"):
        yield from [address.allocation_id for address in backend.addresses if address.association_id == text]
    elif key == "PublicIp":
        yield from [address.allocation_id for address in backend.addresses if str(address.public_ip) == text]
    elif EC2_ID.fullmatch(text):
        yield text


def _name(backend: Any, identity: str) -> str:
    """Key pairs are known to IAM by their names."""
    if not identity.startswith("key-"):
        return identity
    return next((str(pair.key_name) for pair in backend.key_pairs.values() if pair.id == identity), identity)


def _with_template(call: Call) -> dict[str, Any]:
    """The parameters of a launch with those of its launch template beneath them."""
    named = call.parameters.get("LaunchTemplate")
    if not named:
        return call.parameters
    backend = get_backend("ec2")[ACCOUNT][call.region]
    known = {key: template for item in backend.launch_templates.values() for key, template in _keys(item)}
    template = known.get(named.get("LaunchTemplateId") or named.get("LaunchTemplateName"))
    if template is None:
        return call.parameters
    text = str(named.get("Version", "$Default"))
    number = {"$Latest": len(template.versions), "$Default": template.default_version_number}.get(text) or int(text)
    data = template.get_version(number).data
    merged = {key: value for key, value in dict(data).items() if value}
    specifications = [
        {
            "ResourceType": item.get("ResourceType"),
            "Tags": item.get("Tags", item.get("Tag")),
        }
        for item in merged.pop("TagSpecifications", merged.pop("TagSpecification", [])) or []
    ]
    own = call.parameters.get("TagSpecifications", [])
    tags: dict[str, list[Any]] = {}
    for item in [*specifications, *own]:
        tags.setdefault(item["ResourceType"], []).extend(item.get("Tags") or [])
    all_tags = [{"ResourceType": kind, "Tags": pairs} for kind, pairs in tags.items()]
    return {**merged, **call.parameters, "TagSpecifications": all_tags}


def _keys(template: Any) -> list[tuple[str, Any]]:
    return [(template.id, template), (template.name, template)]


def _roles_of_profile(profile: dict[str, str]) -> list[Any]:
    name = profile.get("Name") or str(profile.get("Arn", "")).split("/")[-1]
    profiles = [item for backend in regional_backends("iam") for item in backend.instance_profiles.values()]
    return [role for item in profiles if item.name == name for role in item.roles]


def _pass_role(roles: list[Any], service: str) -> Iterator[Question]:
    for role in roles:
        context = {"iam:PassedToService": service, **resource_tags(_pairs(role.tags))}
        yield Question("iam:PassRole", str(role.arn), context)


def _pairs(tags: Any) -> dict[str, str]:
    if isinstance(tags, dict):
        return {str(key): str(value.get("Value") if isinstance(value, dict) else value) for key, value in tags.items()}
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


# ---- S3 --------------------------------------------------------------------------------------------------------------


def _s3(call: Call) -> Iterator[Question]:
    action = S3_ACTIONS.get(call.action, call.action)
    bucket = str(call.parameters.get("Bucket", ""))
    if not bucket:
        yield Question(f"s3:{action}")
        return
    keys = [call.parameters["Key"]] if "Key" in call.parameters else []
    if call.action == "DeleteObjects":
        objects = call.parameters.get("Delete", {}).get("Objects", [])
        keys = [item["Key"] for item in objects]
        action = "DeleteObjectVersion" if any(item.get("VersionId") for item in objects) else action
    if call.action in ("GetObject", "HeadObject", "DeleteObject") and call.parameters.get("VersionId"):
        action = {"DeleteObject": "DeleteObjectVersion"}.get(call.action, "GetObjectVersion")
    context: Context = {"s3:prefix": str(call.parameters["Prefix"])} if "Prefix" in call.parameters else {}
    for resource in [f"{bucket}/{key}" for key in keys] or [bucket]:
        yield Question(f"s3:{action}", f"arn:aws:s3:::{resource}", context)
    tags = call.parameters.get("CreateBucketConfiguration", {}).get("Tags") if call.action == "CreateBucket" else None
    if tags:
        yield Question("s3:TagResource", f"arn:aws:s3:::{bucket}", request_tags(tags))


# ---- IAM -------------------------------------------------------------------------------------------------------------


def _iam(call: Call) -> Iterator[Question]:
    backend = get_backend("iam")[ACCOUNT]["aws"]
    tags = request_tags(call.parameters.get("Tags"))
    resource, context = "*", dict(tags)
    if "InstanceProfileName" in call.parameters:
        name = call.parameters["InstanceProfileName"]
        resource = f"arn:aws:iam::{ACCOUNT}:instance-profile/{name}"
        found = [item for item in backend.instance_profiles.values() if item.name == name]
        context |= resource_tags(_pairs(found[0].tags)) if found else {}
    elif "RoleName" in call.parameters:
        name = call.parameters["RoleName"]
        resource = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        found = [item for item in backend.roles.values() if item.name == name]
        context |= resource_tags(_pairs(found[0].tags)) if found else {}
    elif "PolicySourceArn" in call.parameters or "PolicyArn" in call.parameters:
        resource = call.parameters.get("PolicySourceArn") or call.parameters["PolicyArn"]
    elif "UserName" in call.parameters:
        resource = f"arn:aws:iam::{ACCOUNT}:user/{call.parameters['UserName']}"
    if "PermissionsBoundary" in call.parameters:
        context["iam:PermissionsBoundary"] = str(call.parameters["PermissionsBoundary"])
    yield Question(f"iam:{call.action}", resource, context)
    if call.parameters.get("Tags") and call.action in ("CreateRole", "CreateInstanceProfile"):
        yield Question(f"iam:Tag{call.action.removeprefix('Create')}", resource, context)
    if call.action == "AddRoleToInstanceProfile":
        roles = [role for role in backend.roles.values() if role.name == call.parameters.get("RoleName")]
        yield from _pass_role(roles, "ec2.amazonaws.com")


# ---- EFS and the rest ------------------------------------------------------------------------------------------------


def _efs(call: Call) -> Iterator[Question]:
    parameters, prefix = call.parameters, "elasticfilesystem"
    backend = get_backend("efs")[ACCOUNT][call.region]
    identity = str(parameters.get("FileSystemId") or parameters.get("ResourceId") or "")
    target = backend.mount_targets_by_id.get(parameters.get("MountTargetId", ""))
    point = backend.access_points.get(parameters.get("AccessPointId", "") or identity)
    identity = identity or (str(target.file_system_id) if target is not None else "")
    tags = request_tags(parameters.get("Tags"))
    if point is not None:
        resource, context = f"access-point/{point.access_point_id}", resource_tags(_listed_tags(backend, identity))
    else:
        resource, context = f"file-system/{identity or '*'}", resource_tags(_listed_tags(backend, identity))
    everything = call.action.startswith(READS) and not identity and point is None
    yield Question(f"{prefix}:{call.action}", "*" if everything else arn(prefix, call.region, resource), context | tags)
    if tags and call.action in ("CreateFileSystem", "CreateAccessPoint"):
        kind = "file-system/*" if call.action == "CreateFileSystem" else "access-point/*"
        context = {f"{prefix}:CreateAction": call.action, **tags}
        yield Question(f"{prefix}:TagResource", arn(prefix, call.region, kind), context)
    yield from _interfaces_of_mount_targets(call)


def _listed_tags(backend: Any, identity: str) -> dict[str, str]:
    if identity not in backend.file_systems_by_id and identity not in backend.access_points:
        return {}
    return {tag["Key"]: tag["Value"] for tag in backend.list_tags_for_resource(identity)}


def _interfaces_of_mount_targets(call: Call) -> Iterator[Question]:
    """EFS makes and removes the interfaces of its mount targets with the rights of its caller."""
    interface = arn("ec2", call.region, "network-interface/*")
    if call.action == "CreateMountTarget":
        yield Question("ec2:DescribeSubnets")
        yield Question("ec2:DescribeNetworkInterfaces")
        yield from _new_interface(call)
        yield _service_role("elasticfilesystem.amazonaws.com")
    if call.action == "DeleteMountTarget":
        yield Question("ec2:DeleteNetworkInterface", interface)
    if call.action == "ModifyMountTargetSecurityGroups":
        yield Question("ec2:ModifyNetworkInterfaceAttribute", interface)


def _cloudwatch(call: Call) -> Iterator[Question]:
    """Metrics are no resources; whose they are is in the namespace alone. Alarms have names, and are listed without."""
    given = call.parameters
    if call.action == "PutMetricData":
        yield Question("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": str(given.get("Namespace"))})
        return
    names = given.get("AlarmNames", []) if call.action == "DeleteAlarms" else [given.get("AlarmName")]
    resources = [arn("cloudwatch", call.region, f"alarm:{name}") for name in names if name]
    tags = request_tags(given.get("Tags"))
    for resource in resources or [str(given.get("ResourceARN", "*"))]:
        yield Question(f"cloudwatch:{call.action}", resource, tags)
        if call.action == "PutMetricAlarm" and tags:
            yield Question("cloudwatch:TagResource", resource, tags)


def _parameter(call: Call) -> str:
    """The ARN of the parameter that a call names, if it names one."""
    is_tagged = call.parameters.get("ResourceType") == "Parameter"
    name = str(call.parameters.get("ResourceId") if is_tagged else call.parameters.get("Name", ""))
    owner = "" if name.startswith("/aws/service/") else ACCOUNT
    return name if name.startswith("arn:") else arn("ssm", call.region, f"parameter/{name.lstrip('/')}", owner)


def _ssm(call: Call) -> Iterator[Question]:
    if call.action.endswith("Parameter") or call.parameters.get("ResourceType") == "Parameter":
        tags = request_tags(call.parameters.get("Tags"))
        yield Question(f"ssm:{call.action}", _parameter(call), tags)
        if call.action == "PutParameter" and tags:
            yield Question("ssm:AddTagsToResource", _parameter(call), tags)
    elif call.action == "StartSession":
        target = str(call.parameters.get("Target"))
        document = str(call.parameters.get("DocumentName", "SSM-SessionManagerRunShell"))
        tags = resource_tags(get_backend("ec2")[ACCOUNT][call.region].tags.get(target, {}))
        yield Question("ssm:StartSession", arn("ec2", call.region, f"instance/{target}"), tags)
        owner = "" if document.startswith("AWS-") else ACCOUNT
        yield Question("ssm:StartSession", arn("ssm", call.region, f"document/{document}", owner))
    else:
        yield from _other(call)


def _secretsmanager(call: Call) -> Iterator[Question]:
    if "SecretId" not in call.parameters:
        yield from _other(call)
        return
    given = str(call.parameters["SecretId"])
    secrets = get_backend("secretsmanager")[ACCOUNT][call.region].secrets.values()
    unknown = given if given.startswith("arn:") else arn("secretsmanager", call.region, f"secret:{given}-000000")
    found = next((str(secret.arn) for secret in secrets if given in (secret.name, secret.arn)), unknown)
    yield Question(f"secretsmanager:{call.action}", found)


def _fsx(call: Call) -> Iterator[Question]:
    if call.action.startswith(READS):
        yield Question(f"fsx:{call.action}")
        return
    fsx = get_backend("fsx")[ACCOUNT][call.region]
    born = request_tags(call.parameters.get("Tags"))
    identity = call.parameters.get("AssociationId") or call.parameters.get("FileSystemId") or "*"
    resource = arn(
        "fsx", call.region, f"{'association' if 'AssociationId' in call.parameters else 'file-system'}/{identity}"
    )
    for known in fsx.tagger.tags:  # an association's name goes on with that of its file system
        resource = known if known.endswith(f"/{identity}") else resource
    if call.action == "TagResource":
        resource = str(call.parameters["ResourceARN"])
    yield Question(
        f"fsx:{call.action}", resource, {**resource_tags(fsx.tagger.get_tag_dict_for_resource(resource)), **born}
    )
    if call.action.startswith("Create") and born:
        yield Question("fsx:TagResource", arn("fsx", call.region, "*"), born)
    if call.action == "CreateFileSystem":
        yield _service_role("fsx.amazonaws.com")
    if call.action == "CreateDataRepositoryAssociation":
        role = arn("iam", "", "role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/*")
        for action in ("CreateServiceLinkedRole", "AttachRolePolicy", "PutRolePolicy"):
            yield Question(f"iam:{action}", role, {"iam:AWSServiceName": "s3.data-source.lustre.fsx.amazonaws.com"})


def _scheduler(call: Call) -> Iterator[Question]:
    """Everything is named; a group takes its schedules along, and a schedule is handed its role."""
    given = call.parameters
    if call.action in ("ListSchedules", "ListScheduleGroups"):
        yield Question(f"scheduler:{call.action}")
        return
    is_group = call.action.endswith("ScheduleGroup")
    name = (
        f"schedule-group/{given.get('Name')}" if is_group else f"schedule/{given.get('GroupName')}/{given.get('Name')}"
    )
    resource = str(given.get("ResourceArn") or arn("scheduler", call.region, name))
    tags = request_tags(given.get("Tags"))
    yield Question(f"scheduler:{call.action}", resource, tags)
    if call.action == "CreateScheduleGroup" and tags:
        yield Question("scheduler:TagResource", resource, tags)
    if call.action == "DeleteScheduleGroup":
        yield Question("scheduler:DeleteSchedule", arn("scheduler", call.region, f"schedule/{given.get('Name')}/*"))
    if call.action == "CreateSchedule":
        roles = get_backend("iam")[ACCOUNT]["aws"].roles.values()
        yield from _pass_role(
            [role for role in roles if role.arn == given["Target"].get("RoleArn")], "scheduler.amazonaws.com"
        )


def _other(call: Call) -> Iterator[Question]:
    """Services that the lab knows less of: any resource, and the tags that the call brings along."""
    prefix = PREFIX.get(call.service, call.service)
    tags = call.parameters.get("Tags")
    yield Question(f"{prefix}:{call.action}", "*", request_tags(tags) if isinstance(tags, list) else {})
