# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one stack, from wrong input on an empty account to the proof that nothing is left.

The tests stand in the order of that life and build on each other.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.driver import PATIENCE_SECONDS, ROOT, Stack, end, wait_for, writes

# These announce an end that nobody but their authors can bring about; anything else of the kind is ours.
KNOWN_DEPRECATIONS = (
    "The 'tags' host variable is deprecated",
    "iam_role.assume_role_policy_document_raw will no longer be returned",
)


def commit_file(directory: Path, name: str, text: str) -> str:
    """A new repository with one commit of one file. Returns the commit."""
    (directory / name).write_text(text)
    own = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
    for command in (["init", "--quiet"], ["add", name], [*own, "commit", "--quiet", "--message=first"]):
        subprocess.run(["git", "-C", directory, *command], check=True)
    head = ["git", "-C", directory, "rev-parse", "HEAD"]
    return subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip()


def assert_secrets_were_read_and_kept(stack: Stack, text: str, values: dict[str, str]) -> None:
    """The container could read them; nobody else, and nothing is left of them when it has ended."""
    logs = "".join((ROOT / path).read_text() for path in re.findall(r"Details: (\S+)", text))
    kept = b"".join(stack.objects().values()).decode(errors="replace")
    on_the_node = stack.ssh(
        "sudo grep --recursive --binary-files=without-match . /var/lib/trainyard; sudo docker inspect trainyard-run-again"
    ).text
    for name, value in values.items():
        assert f"{hashlib.sha256(value.encode()).hexdigest()}  {name}\n" in text
        assert value not in text + logs + kept + on_the_node
    assert stack.ssh("sudo ls --almost-all /run/trainyard").text.strip() == ""


def told_of_metric(stack: Stack, name: str, dimensions: dict[str, str], values: int) -> dict[str, float]:
    """The statistics of a metric, when as many values have come. The last ones come when the run is over."""

    def look() -> dict[str, float]:
        points = stack.lab.client("cloudwatch").get_metric_statistics(
            Namespace=f"trainyard/{stack.name}",
            MetricName=name,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=datetime.now(UTC) - timedelta(hours=6),
            EndTime=datetime.now(UTC) + timedelta(minutes=5),
            Period=24 * 3600,
            Statistics=["SampleCount", "Sum", "Minimum", "Maximum"],
        )["Datapoints"]
        return points[0] if points else {"SampleCount": 0}

    wait_for(lambda: look()["SampleCount"] >= values, 120, f"{values} values of {name}")
    return look()


class TestWrongInput:
    """Every mistake stops before anything is created, and names the variable and what to do."""

    @pytest.mark.parametrize(
        ("variables", "expected"),
        [
            pytest.param(
                {"aws_nodes_groups": [{"name": "train", "instance_types": ["g6.xlrge"]}]},
                ['"g6.xlrge" is not offered', "g6.xlarge"],
                id="unknown instance type",
            ),
            pytest.param({"stack_allowed_cidrs": ["0.0.0.0/0"]}, ["stack_allowed_cidrs", "whole world"], id="open SSH"),
            pytest.param({"aws_network_cdir": "10.9.0.0/16"}, ["aws_network_cdir", "aws_network_cidr"], id="misspelt"),
            pytest.param({"aws_nodes_image": "/no/such/image"}, ["/no/such/image", "does not exist"], id="no image"),
            pytest.param({"stack_ssh_key_file": "/no/key"}, ["stack_ssh_key_file", "/no/key"], id="no SSH key"),
            pytest.param(
                {
                    "training_run_id": "run-1",
                    "training_run_image": "digits:1",
                    "training_run_hyperparameters": {"epochs": 3},
                    "training_run_hyperparameters_schema": "examples/digits/hyperparameters.schema.json",
                },
                ["training_run_hyperparameters", "batch_size"],
                id="missing hyperparameter",
            ),
            pytest.param(
                {
                    "training_run_id": "run-1",
                    "training_run_image": "digits:1",
                    "training_run_channels": {"images": "/no/such/data"},
                },
                ["training_run_channels", "/no/such/data"],
                id="unknown data path",
            ),
        ],
    )
    def test_stops_before_anything_is_created(self, stack: Stack, variables: dict, expected: list[str]) -> None:
        before = len(stack.lab.calls())
        outcome = stack.play("provision", "-e", json.dumps(variables))
        assert outcome.status != 0
        for text in expected:
            assert text in outcome.text
        assert writes(stack.lab.calls(before)) == []

    def test_every_fault_is_told_in_one_pass(self, stack: Stack) -> None:
        variables = {
            "stack_allowed_cidrs": ["::/0"],
            "aws_nodes_image": "/no/such/image",
            "aws_network_zones": ["us-east-1z"],
        }
        outcome = stack.play("preflight", "-e", json.dumps(variables))
        assert outcome.status != 0
        for text in ("::/0", "/no/such/image", "us-east-1z"):
            assert text in outcome.text

    def test_preflight_finds_nothing_wrong_with_the_inventory(self, stack: Stack) -> None:
        outcome = stack.play("preflight")
        assert outcome.status == 0, outcome.text
        assert "Nothing stands in the way" in outcome.text


class TestProvision:
    def test_check_mode_shows_what_would_be_made_and_writes_nothing(self, stack: Stack) -> None:
        before = len(stack.lab.calls())
        outcome = stack.play("provision", "--check", "--diff")
        assert outcome.status == 0, outcome.text
        assert outcome.changed > 0
        assert "would make aws_network/egress" in outcome.text
        assert writes(stack.lab.calls(before)) == []
        assert not stack.ssh_config.exists()

    def test_makes_the_stack(self, stack: Stack) -> None:
        before = len(stack.lab.calls())
        outcome = stack.play("provision")
        assert outcome.status == 0, outcome.text
        assert outcome.changed > 0
        untagged = [
            f"{call['service']}:{call['action']}"
            for call in stack.lab.calls(before)
            if call["action"].startswith(("Create", "RunInstances", "AllocateAddress", "ImportKeyPair"))
            and "trainyard:stack" not in json.dumps(call["parameters"])
        ]
        # Routes, mount targets and the rest of the list are parts of what is tagged.
        assert set(untagged) <= {"ec2:CreateRoute", "efs:CreateMountTarget", "ec2:CreateTags"}

    def test_changes_nothing_the_second_time(self, stack: Stack) -> None:
        outcome = stack.play("provision")
        assert outcome.status == 0, outcome.text
        assert outcome.changed == 0, outcome.text

    def test_warns_of_nothing_that_could_be_mended(self, stack: Stack) -> None:
        outcome = stack.play("provision")
        deprecations = re.findall(r"\[DEPRECATION WARNING\]: (.*)", outcome.text)
        assert [text for text in deprecations if not any(known in text for known in KNOWN_DEPRECATIONS)] == []
        assert "[WARNING]: " not in outcome.text.replace("[WARNING]: Deprecation warnings can be disabled", "")

    def test_only_the_bastion_has_a_public_address(self, stack: Stack) -> None:
        public = {name: bool(instance.get("PublicIpAddress")) for name, instance in stack.instances().items()}
        assert public == {"e2e-bastion": True, "e2e-train-0": False}

    def test_nothing_is_open_to_the_world(self, stack: Stack) -> None:
        groups = stack.lab.client("ec2").describe_security_groups()["SecurityGroups"]
        ranges = [
            cidr["CidrIp"] for group in groups for rule in group["IpPermissions"] for cidr in rule.get("IpRanges", [])
        ]
        assert ranges == [stack.lab.environment["LAB_CLIENT_CIDR"]]

    def test_instances_want_tokens_for_their_metadata(self, stack: Stack) -> None:
        options = [instance["MetadataOptions"] for instance in stack.instances().values()]
        assert [(option["HttpTokens"], option["HttpPutResponseHopLimit"]) for option in options] == [
            ("required", 1)
        ] * 2

    def test_each_instance_has_one_encrypted_volume_where_its_image_wants_it(self, stack: Stack) -> None:
        ec2 = stack.lab.client("ec2")
        roots = {image["ImageId"]: image["RootDeviceName"] for image in ec2.describe_images()["Images"]}
        for instance in stack.instances().values():
            devices = [device["DeviceName"] for device in instance["BlockDeviceMappings"]]
            assert devices == [roots[instance["ImageId"]]]
        assert {volume["Encrypted"] for volume in ec2.describe_volumes()["Volumes"]} == {True}

    def test_the_node_is_reached_through_the_bastion(self, stack: Stack) -> None:
        wait_for(lambda: stack.ssh("hostname").status == 0, 120, "the node to answer")
        direct = stack.ssh("hostname", "-o", "ProxyJump=none", "-o", "ControlPath=none", "-o", "ConnectTimeout=3")
        assert direct.status != 0

    def test_another_host_key_is_refused(self, stack: Stack) -> None:
        known = stack.ssh_config.with_name("known_hosts")
        right = known.read_text()
        lines = [line.split(" ", 1) for line in right.splitlines()]
        keys = [key for _name, key in lines]
        known.write_text("".join(f"{name} {key}\n" for (name, _key), key in zip(lines, reversed(keys), strict=True)))
        try:
            outcome = stack.ssh("hostname", "-o", "ControlPath=none", host="e2e-bastion")
        finally:
            known.write_text(right)
        assert outcome.status != 0
        assert "HOST IDENTIFICATION HAS CHANGED" in outcome.text


class TestConfigure:
    def test_makes_the_node_ready(self, stack: Stack) -> None:
        outcome = stack.play("configure")
        assert outcome.status == 0, outcome.text
        assert stack.ssh("sudo docker info --format '{{.LiveRestoreEnabled}}'").text.strip() == "true"
        assert stack.ssh("mountpoint --quiet /efs").status == 0

    def test_changes_nothing_the_second_time(self, stack: Stack) -> None:
        outcome = stack.play("configure")
        assert outcome.status == 0, outcome.text
        assert outcome.changed == 0, outcome.text


GOOD_RUN = (
    "for epoch in 1 2 3; do echo epoch $epoch loss: 0.$((8 - epoch * 2)); echo $epoch > /opt/ml/checkpoints/$epoch; sleep 0.3; done; "
    "echo weights > /opt/ml/model/weights; cat /opt/ml/input/config/hyperparameters.json > /opt/ml/output/seen"
)


# It stays at step 5 until it is told to go on, so that a slow machine finds it running too.
LONG_RUN = (
    "for i in $(seq 60); do echo step $i; sleep 0.5; while [ $i = 5 ] && ! [ -e /tmp/go ]; do sleep 0.2; done; done"
)

POLITE_RUN = "trap 'echo saved > /opt/ml/checkpoints/last; exit 0' TERM; while true; do sleep 0.2; done"


class TestTrain:
    def test_shows_the_log_and_collects_the_results(self, stack: Stack) -> None:
        variables = json.dumps({"training_run_hyperparameters": {"lr": 0.1}})
        before = len(stack.lab.calls())
        outcome = stack.play("train", *stack.train("good", GOOD_RUN, "-e", variables))
        assert outcome.status == 0, outcome.text
        # The node itself logged in to the registry, with the rights of its role.
        logins = [call["caller"] for call in stack.lab.calls(before) if call["action"] == "GetAuthorizationToken"]
        assert logins == [stack.instances()[stack.node]["PrivateIpAddress"]]
        log = "epoch 1 loss: 0.6\nepoch 2 loss: 0.4\nepoch 3 loss: 0.2\n"
        for line in log.splitlines():
            assert f"{line}\n" in outcome.text
        objects = stack.objects("runs/good/")
        assert objects["runs/good/model/weights"] == b"weights\n"
        assert objects["runs/good/checkpoints/3"] == b"3\n"
        assert json.loads(objects["runs/good/output/seen"]) == {"lr": 0.1}
        assert objects["runs/good/log.txt"].decode() == log

    def test_records_what_ran(self, stack: Stack) -> None:
        objects = stack.objects("runs/good/")
        record = json.loads(objects["runs/good/run.json"])
        assert record["run_id"] == "good"
        assert record["exit_code"] == 0
        assert record["hyperparameters"] == {"lr": 0.1}
        assert record["progress"]["epoch"] == 3
        assert re.search(r"sha256:[0-9a-f]{64}$", record["image_digest"])
        assert record["command"][:2] == ["sh", "-c"]
        assert record["started_at"] < record["finished_at"]
        listed = {item["path"]: (item["size"], item["sha256"]) for item in record["artefacts"]}
        for path in ("model/weights", "output/seen", "log.txt", "checkpoints/3"):
            body = objects[f"runs/good/{path}"]
            assert listed[path] == (len(body), hashlib.sha256(body).hexdigest())

    def test_cloudwatch_was_told_what_its_log_said(self, stack: Stack) -> None:
        said = stack.objects("runs/good/")["runs/good/log.txt"].decode()
        losses = [float(value) for value in re.findall(r"loss: (\S+)", said)]
        told = told_of_metric(stack, "training_metric", {"run": "good", "metric": "loss"}, len(losses))
        assert (told["SampleCount"], told["Minimum"], told["Maximum"]) == (3, min(losses), max(losses))
        assert told["Sum"] == pytest.approx(sum(losses))
        assert told_of_metric(stack, "run_epoch", {"run": "good"}, 1)["Maximum"] == 3

    def test_the_same_run_is_not_started_twice(self, stack: Stack) -> None:
        containers = stack.ssh("sudo docker ps --all --quiet").text
        variables = json.dumps({"training_run_hyperparameters": {"lr": 0.1}})
        outcome = stack.play("train", *stack.train("good", GOOD_RUN, "-e", variables))
        assert outcome.status == 0, outcome.text
        assert outcome.changed == 0, outcome.text
        assert stack.ssh("sudo docker ps --all --quiet").text == containers

    def test_a_container_that_fails_is_told_and_its_artefacts_are_kept(self, stack: Stack) -> None:
        script = (
            "cat /opt/ml/input/data/learnt/weights; echo half > /opt/ml/model/half; echo the disk is on fire; exit 3"
        )
        # What an earlier run made, by the right of the node's role.
        channels = {"learnt": f"s3://{stack.bucket}/runs/good/model"}
        variables = json.dumps({"training_run_channels": channels})
        # So long that a line of progress comes.
        late = {"service": "s3", "action": "GetObject", "path": "*/runs/good/model/weights"}
        stack.lab.page("faults", "POST", {"match": late, "then": {"delay_seconds": 22}})
        outcome = stack.play("train", *stack.train("bad", script, "-e", variables))
        assert outcome.status != 0
        assert f"Fetching learnt (8 B) on {stack.node}.\n" in outcome.text
        assert "Progress: learnt 0 B of 8 B\n" in outcome.text
        assert "weights\n" in outcome.text
        assert "the disk is on fire" in outcome.text
        assert re.search(r"exit(ed with)? (code|status) 3|exit code 3", outcome.text), outcome.text
        objects = stack.objects("runs/bad/")
        assert objects["runs/bad/model/half"] == b"half\n"
        assert json.loads(objects["runs/bad/run.json"])["exit_code"] == 3

    def test_an_interrupted_playbook_leaves_the_training_running(self, stack: Stack) -> None:
        with stack.follow("train", *stack.train("long", LONG_RUN)) as followed:
            followed.wait_until_it_says("step 3\n")
            os.killpg(followed.process.pid, signal.SIGINT)
            outcome = followed.finish()
        assert outcome.status != 0
        assert "interrupted" in outcome.text, outcome.text
        # Said when the following starts; the line after the interruption is the unit tests' matter.
        assert "Ctrl-C ends the following, not the training; the same command comes back to it." in outcome.text
        # On a slow machine it may have come to its end by now, but nobody ended it.
        state = stack.ssh(
            "sudo docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' trainyard-run-long"
        ).text
        assert state.strip() in ("running 0", "exited 0")

    def test_logs_follows_it_to_its_end(self, stack: Stack) -> None:
        assert stack.ssh("sudo docker exec trainyard-run-long touch /tmp/go").status == 0
        outcome = stack.play("logs", "-e", "training_run_id=long")
        assert outcome.status == 0, outcome.text
        assert "step 60\n" in outcome.text
        assert stack.ssh("sudo docker inspect --format '{{.State.Running}}' trainyard-run-long").text.strip() == "false"

    def test_collect_brings_the_results_of_a_run_that_was_left_alone(self, stack: Stack) -> None:
        outcome = stack.play("collect", "-e", "training_run_id=long")
        assert outcome.status == 0, outcome.text
        assert json.loads(stack.objects("runs/long/")["runs/long/run.json"])["outcome"] == "succeeded"
        again = stack.play("collect", "-e", "training_run_id=long")
        assert (again.status, again.changed) == (0, 0), again.text

    def test_stop_leaves_time_for_a_last_checkpoint(self, stack: Stack) -> None:
        started = stack.play(
            "train", *stack.train("polite", POLITE_RUN, "-e", '{"training_run_follow_enabled": false}')
        )
        assert started.status == 0, started.text
        outcome = stack.play("stop", "-e", "training_run_id=polite")
        assert outcome.status == 0, outcome.text
        objects = stack.objects("runs/polite/")
        assert objects["runs/polite/checkpoints/last"] == b"saved\n"
        assert json.loads(objects["runs/polite/run.json"])["outcome"] == "stopped"

    def test_resume_goes_on_from_the_checkpoint_of_a_run_that_failed(self, stack: Stack, tmp_path: Path) -> None:
        values = {name: os.urandom(16).hex() for name in ("token", "wandb")}
        stack.lab.client("ssm").put_parameter(Name="/e2e/token", Value=values["token"], Type="SecureString")
        stack.lab.client("secretsmanager").create_secret(
            Name="e2e/wandb", SecretString=json.dumps({"api_key": values["wandb"]})
        )
        secrets = {"token": "ssm:/e2e/token", "wandb": "secretsmanager:e2e/wandb#api_key"}
        commit = commit_file(tmp_path, "train.sh", "exit 9\n")
        (tmp_path / "train.sh").write_text(
            "(cd /run/secrets; sha256sum *)\n"
            'state=/opt/ml/checkpoints/epoch-1.pt; test -z "$TRAINYARD_RESUME_CHECKPOINT" && echo 1 > $state && exit 3\n'
            'echo "went on from $TRAINYARD_RESUME_CHECKPOINT"\n'
        )
        inputs = {"training_run_secrets": secrets, "training_run_code": str(tmp_path)}
        outcome = stack.play("train", *stack.train("again", ". ./train.sh", "-e", json.dumps(inputs)))
        assert outcome.status != 0
        assert_secrets_were_read_and_kept(stack, outcome.text, values)
        (tmp_path / "train.sh").write_text("exit 8\n")
        options = ("-e", "training_run_id=again")
        outcome = stack.play("resume", *options, "--check")
        assert outcome.status == 0, outcome.text
        assert 'Run "again" would train on as attempt 2, from /opt/ml/checkpoints/epoch-1.pt' in outcome.text
        outcome = stack.play("resume", *options)
        assert outcome.status == 0, outcome.text
        assert "went on from /opt/ml/checkpoints/epoch-1.pt" in outcome.text
        assert_secrets_were_read_and_kept(stack, outcome.text, values)
        objects = stack.objects("runs/again/")
        record = json.loads(objects["runs/again/run.json"])
        assert (record["outcome"], record["attempts"], record["secrets"]) == ("succeeded", 2, secrets)
        assert (record["code"]["commit"], record["code"]["changed"]) == (commit, True)
        assert b"-exit 9\n" in objects["runs/again/code.diff"]
        with tarfile.open(fileobj=io.BytesIO(objects["runs/again/code.tar.gz"])) as code:
            assert code.getnames() == ["train.sh"]
        outcome = stack.play("resume", *options)
        assert outcome.status != 0
        assert "it has finished, so there is nothing left to train" in outcome.text

    def test_stop_names_the_runs_when_there_is_no_such_run(self, stack: Stack) -> None:
        outcome = stack.play("stop", "-e", "training_run_id=polit")
        assert outcome.status != 0
        assert 'There is no run "polit" on this node' in outcome.text
        assert 'Did you mean "polite"?' in outcome.text


def state_of_node(stack: Stack) -> str:
    return str(stack.instances()[stack.node]["State"]["Name"])


class TestLaptopOff:
    def test_the_node_brings_the_results_home_and_stops_itself(self, stack: Stack) -> None:
        script = "echo 1 > /opt/ml/checkpoints/epoch-1.pt; echo weights > /opt/ml/model/weights"
        alone = {"training_run_follow_enabled": False, "training_run_when_finished": "stop"}
        outcome = stack.play("train", *stack.train("alone", script, "-e", json.dumps(alone)))
        assert outcome.status == 0, outcome.text
        wait_for(lambda: state_of_node(stack) == "stopped", PATIENCE_SECONDS, "the node to stop itself")
        objects = stack.objects("runs/alone/")
        assert json.loads(objects["runs/alone/run.json"])["outcome"] == "succeeded"
        assert objects["runs/alone/model/weights"] == b"weights\n"
        assert json.loads(objects["runs/alone/checkpoints/LATEST"])["name"] == "epoch-1.pt"
        events = [json.loads(line)["event"] for line in objects["runs/alone/events-0.jsonl"].splitlines()]
        assert events[-2:] == ["results_collected", "shutdown"]


@pytest.fixture
def foreign_vpc(stack: Stack) -> Iterator[str]:
    """Something that is not ours, with the very name of our stack but not its tags."""
    ec2 = stack.lab.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.90.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": stack.name}])
    yield vpc
    ec2.delete_vpc(VpcId=vpc)


class TestDestroy:
    def test_check_mode_shows_what_would_go_and_writes_nothing(self, stack: Stack) -> None:
        before = len(stack.lab.calls())
        outcome = stack.play("destroy", "--check")
        assert outcome.status == 0, outcome.text
        assert "Would go" in outcome.text
        for instance in stack.instances().values():
            assert instance["InstanceId"] in outcome.text
        assert "Would stay" in outcome.text
        assert writes(stack.lab.calls(before)) == []

    def test_keeps_the_results_unless_told_otherwise(self, stack: Stack) -> None:
        outcome = stack.play("destroy")
        assert outcome.status == 0, outcome.text
        assert "Kept" in outcome.text
        assert stack.objects("runs/good/run.json")

    def test_the_bucket_alone_knows_the_runs(self, stack: Stack, tmp_path: Path) -> None:
        outcome = stack.play("runs", "-e", f"aws_runs_report_directory={tmp_path}")
        assert outcome.status == 0, outcome.text
        found = dict(re.findall(r"(good|bad|long|polite) +(succeeded|failed|stopped|unfinished)", outcome.text))
        assert found == {"good": "succeeded", "bad": "failed", "long": "succeeded", "polite": "stopped"}, outcome.text
        page = (tmp_path / "bad.html").read_text()
        assert "the disk is on fire" in page
        assert "exit code 3" in page

    def test_refuses_to_purge_another_stack(self, stack: Stack) -> None:
        outcome = stack.play("destroy", "-e", "stack_purge=other")
        assert outcome.status != 0
        assert 'this stack is "e2e"' in outcome.text
        assert stack.objects("runs/good/run.json")

    def test_leaves_nothing_when_the_results_go_too(self, stack: Stack, foreign_vpc: str) -> None:
        outcome = stack.play("destroy", "-e", "stack_purge=e2e")
        assert outcome.status == 0, outcome.text
        assert '0 left of stack "e2e"' in outcome.text
        assert_account_is_empty(stack, but=foreign_vpc)

    def test_changes_nothing_when_there_is_nothing(self, stack: Stack) -> None:
        outcome = stack.play("destroy", "-e", "stack_purge=e2e")
        assert outcome.status == 0, outcome.text
        assert outcome.changed == 0, outcome.text

    def test_finds_what_a_killed_provision_left(self, stack: Stack) -> None:
        ec2 = stack.lab.client("ec2")
        process = stack.start("provision")
        try:
            wait_for(lambda: ec2.describe_subnets()["Subnets"], 90, "the first subnet")
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            # The task that was running outlives its playbook; it ends by itself.
            time.sleep(5)
        finally:
            end(process)
        assert stack.resources()
        outcome = stack.play("destroy", "-e", "stack_purge=e2e")
        assert outcome.status == 0, outcome.text
        assert_account_is_empty(stack)


def assert_account_is_empty(stack: Stack, but: str = "") -> None:
    """Ask AWS itself, without any code of the collection. ``but`` is a VPC that must have survived."""
    ec2 = stack.lab.client("ec2")
    running = [
        instance
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    ]
    assert running == []
    assert [gateway for gateway in ec2.describe_nat_gateways()["NatGateways"] if gateway["State"] != "deleted"] == []
    assert [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]] == [but] * bool(but)
    assert ec2.describe_addresses()["Addresses"] == []
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert stack.lab.client("efs").describe_file_systems()["FileSystems"] == []
    assert stack.lab.client("s3").list_buckets()["Buckets"] == []
    iam = stack.lab.client("iam")
    assert iam.list_roles()["Roles"] == []
    assert iam.list_instance_profiles()["InstanceProfiles"] == []
