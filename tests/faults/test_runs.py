# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to a run: to its container, its bucket, its controller, and at last to its node.

One stack for all of them. The tests stand in an order, so that what takes its time goes on beside the tests that follow.

==============================  ================================================================
malformed hyperparameters       TestHyperparametersThatAreNone
out of memory                   TestMemory
killed, and tried again         TestTrainingThatIsTakenDown
dropped SSH                     TestConnectionThatIsLost
Docker restart                  TestDockerThatRestarts
hostile log                     TestHostileLog
upload refused                  TestBucketThatRefuses
budget                          TestBudget, TestAfterTheBudget
two operators, exit 3           TestTwoOperatorsAndAControllerThatDies
spot notice                     TestSpotNotice
node terminated with no notice  TestNodeThatIsGone
==============================  ================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import docker
import pytest

from tests.e2e.driver import (
    PATIENCE_SECONDS,
    ROOT,
    WORKER,
    Lab,
    Stack,
    copy_inventory,
    push_shell_image,
    stack_environment,
    wait_for,
    writes,
)
from tests.faults.rig import SECONDS_HELD, Faults, kill_whole

MAIN, WATCHED, ALONE, SPOT = "runs-train-0", "runs-train-1", "runs-train-2", "runs-spot-0"
GROUPS = [
    {"name": "train", "count": 3, "instance_types": ["g6.xlarge"], "root_volume_gib": 100},
    {"name": "spot", "count": 1, "instance_types": ["g6.xlarge"], "root_volume_gib": 100, "markets": ["spot"]},
]
UNFOLLOWED = {"training_run_follow_enabled": False}
# A g6.xlarge costs that in some ten seconds.
BUDGET = {"training_run_budget_usd": 0.002, "training_run_when_finished": "terminate"}
SECRET = "ssm:/runs/token"
PENNILESS = "stopped by its budget of 0.002 USD"

# It holds at step 5 until it is told to go on.
HELD_RUN = (
    "for i in $(seq 10); do echo step $i; while [ $i = 5 ] && ! [ -e /tmp/go ]; do sleep 0.1; done; done; "
    "echo half > /opt/ml/model/half; echo the disk is on fire; exit 3"
)
GREEDY_RUN = "echo 1 > /opt/ml/checkpoints/step-1.pt; echo step 1; tail /dev/zero"
# It holds at step 5 until something has come between it and whoever follows it.
CUT_RUN = (
    "for i in $(seq 40); do echo step $i; sleep 0.1; while [ $i = 5 ] && ! [ -e /tmp/go ]; do sleep 0.1; done; done"
)
MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
FILE = "model/</script><b><img src=x onerror=alert(1)>"
# A window title, a cleared screen, a progress bar, what is no UTF-8, a line of 10 MB, a burst, markup, and no newline at the end.
HOSTILE_RUN = (
    r"printf '\033]0;owned\007title\n\033[2Jgone\n10%%\r20%%\r100%%\nbad \377\000 end\n'; "
    r"head -c 10000000 /dev/zero | tr '\0' x; echo; seq 20000; "
    f"mkdir '/opt/ml/model/<'; echo weights > '/opt/ml/{FILE}'; "
    f"""printf '{{"loss{MARKUP}": 0.5}}\n{MARKUP}\nno newline'"""
)
POLITE_RUN = (
    "trap 'echo last > /opt/ml/checkpoints/step-2.pt; echo saved; exit 0' TERM; "
    "echo 1 > /opt/ml/checkpoints/step-1.pt; echo step 1; while true; do sleep 0.2; done"
)


@pytest.fixture(scope="module")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("home")
    inventory = copy_inventory("runs", home / "inventory", f"10.{82 + WORKER}")
    # The operator's own key: whoever comes from elsewhere has it too.
    key = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    own = {
        "aws_identity_secrets": [SECRET],
        "aws_nodes_groups": GROUPS,
        "stack_ssh_key_file": str(key),
        "stack_owner": "ada",
    }
    variables = inventory / "group_vars" / "all.yml"
    kept = [line for line in re.split(r"\n(?=\S)", variables.read_text()) if line.split(":")[0] not in own]
    variables.write_text("\n".join([*kept, *(f"{name}: {json.dumps(value)}" for name, value in own.items())]) + "\n")
    image = push_shell_image(docker.from_env(), lab)
    stack = Stack("runs", lab, home, inventory, image, stack_environment(lab, home))
    try:
        for playbook in ("provision", "configure"):
            outcome = stack.play(playbook)
            assert outcome.status == 0, outcome.text
        yield stack
    finally:
        outcome = stack.play("destroy", "-e", "stack_purge=runs", "-e", "stack_take_over=true")
    assert outcome.status == 0, outcome.text


@pytest.fixture(scope="module")
def elsewhere(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Another checkout and another home, into which only the inventory was brought."""
    home, checkout = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("checkout") / "trainyard"
    subprocess.run(["git", "clone", "--quiet", ROOT, checkout], check=True)
    collections = home / "collections" / "ansible_collections" / "trainyard"
    collections.mkdir(parents=True)
    (collections / "aws").symlink_to(checkout)
    inventory = home / "inventory"
    subprocess.run(["cp", "--recursive", stack.inventory, inventory], check=True)
    environment = stack_environment(stack.lab, home) | {
        "ANSIBLE_CONFIG": str(checkout / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(home / "collections"),
    }
    return Stack("runs", stack.lab, home, inventory, stack.image, environment, checkout)


def options_of(stack: Stack, node: str, run_id: str, script: str, **more: object) -> tuple[str, ...]:
    """The options of a run whose checkpoints are copied every two seconds."""
    extra = {"target": node, "training_run_checkpoint_interval": "2s", "training_run_grace_seconds": 20, **more}
    return stack.train(run_id, script, "-e", json.dumps(extra))


def go_on(stack: Stack, run_id: str) -> None:
    assert stack.ssh(f"sudo docker exec trainyard-run-{run_id} touch /tmp/go", host=MAIN).status == 0


def put_token(stack: Stack, value: str) -> None:
    name = SECRET.removeprefix("ssm:")
    stack.lab.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def record_of(stack: Stack, run_id: str) -> dict:
    """What the bucket says how the run ended; empty as long as it does not."""
    return json.loads(stack.objects(f"runs/{run_id}/").get(f"runs/{run_id}/run.json", b"{}"))


def events_of(stack: Stack, run_id: str) -> list[str]:
    """What the bucket says that happened."""
    lines = stack.objects(f"runs/{run_id}/events").get(f"runs/{run_id}/events-0.jsonl", b"").splitlines()
    return [json.loads(line)["event"] for line in lines]


def assert_latest_is_whole(objects: dict[str, bytes], run_id: str, name: str) -> None:
    """The newest checkpoint is the one that is named, and every file that LATEST names is there as it says."""
    latest = json.loads(objects[f"runs/{run_id}/checkpoints/LATEST"])
    assert latest["name"] == name
    for file in latest["files"]:
        body = objects[f"runs/{run_id}/checkpoints/{file['path']}"]
        assert (len(body), hashlib.sha256(body).hexdigest()) == (file["size"], file["sha256"])


def assert_forty_steps(stack: Stack, run_id: str, shown: str) -> None:
    """Each once and in order, on the screen as in the bucket."""
    numbers = [str(number) for number in range(1, 41)]
    assert re.findall(r"^step (\d+)$", shown, re.MULTILINE) == numbers
    log = "".join(f"step {number}\n" for number in numbers)
    assert stack.objects(f"runs/{run_id}/")[f"runs/{run_id}/log.txt"] == log.encode()


class TestHyperparametersThatAreNone:
    def test_stop_the_run_before_anything_is_changed(self, stack: Stack, tmp_path: Path) -> None:
        file = tmp_path / "hyperparameters.json"
        file.write_text('{"epochs": 3,\n "lr": 0.1 "batch_size": 64}\n')
        before = len(stack.lab.calls())
        options = options_of(stack, MAIN, "typo", "true", training_run_hyperparameters_file=str(file))
        outcome = stack.play("train", *options)
        assert outcome.status != 0
        assert f'{file}:2:12: a comma or "}}" is missing here' in outcome.text
        assert writes(stack.lab.calls(before)) == []
        assert "typo" not in stack.ssh("sudo ls /var/lib/trainyard/runs; sudo docker ps --all", host=MAIN).text


class TestMemory:
    def test_a_run_that_takes_more_than_its_limit_is_told_so(self, stack: Stack) -> None:
        outcome = stack.play("train", *options_of(stack, MAIN, "greedy", GREEDY_RUN, training_run_memory="64m"))
        assert outcome.status != 0
        assert "most likely out of memory: its memory limit is 64 MiB. Try a smaller batch size" in outcome.text
        objects = stack.objects("runs/greedy/")
        assert objects["runs/greedy/log.txt"].startswith(b"step 1\n")
        assert objects["runs/greedy/checkpoints/step-1.pt"] == b"1\n"
        record = json.loads(objects["runs/greedy/run.json"])
        assert (record["outcome"], record["exit_code"]) == ("failed", 137)
        assert "out of memory" in record["reason"]


class TestTrainingThatIsTakenDown:
    def test_its_node_tries_again_from_the_newest_checkpoint_with_the_secrets_of_now(self, stack: Stack) -> None:
        """Whoever follows sees both attempts; nothing but the node starts the second, and reads its secrets."""
        script = (
            "sha256sum /run/secrets/token; echo from $TRAINYARD_RESUME_CHECKPOINT; "
            "test $TRAINYARD_RESUME_CHECKPOINT && exit 0; "
            "echo 1 > /opt/ml/checkpoints/step-1.pt; echo step 1; while true; do sleep 0.2; done"
        )
        old, new = os.urandom(16).hex(), os.urandom(16).hex()
        before = len(stack.lab.calls())
        put_token(stack, old)
        options = options_of(
            stack, MAIN, "again", script, training_run_retries=1, training_run_secrets={"token": SECRET}
        )
        with stack.follow("train", *options) as followed:
            latest = "runs/again/checkpoints/LATEST"
            wait_for(lambda: latest in stack.objects("runs/again/"), PATIENCE_SECONDS, "the first checkpoint")
            followed.wait_until_it_says("step 1")  # a busy machine copies before it follows
            assert stack.ssh("sudo docker kill --signal KILL trainyard-run-again", host=MAIN).status == 0
            followed.wait_until_it_says("it is tried again in 30 s")
            put_token(stack, new)
            outcome = followed.finish()
        assert outcome.status == 0, outcome.text
        shown = re.findall(r"^(\w{64}  .*|from.*|step 1|Run \"again\": .*)$", outcome.text, re.MULTILINE)
        assert shown[0] == f"{hashlib.sha256(old.encode()).hexdigest()}  /run/secrets/token"
        assert shown[1].rstrip() == "from"
        assert shown[2] == "step 1"
        assert shown[3].endswith("it is tried again in 30 s (1 of 1)")
        assert shown[4:] == [
            f"{hashlib.sha256(new.encode()).hexdigest()}  /run/secrets/token",
            "from /opt/ml/checkpoints/step-1.pt",
        ]
        readers = [call["caller"] for call in stack.lab.calls(before) if call["action"] == "GetParameter"]
        assert readers == [stack.instances()[MAIN]["PrivateIpAddress"]] * 2
        record = record_of(stack, "again")
        assert (record["outcome"], record["attempts"]) == ("succeeded", 2)
        assert [each["exit_code"] for each in record["earlier_attempts"]] == [137]
        assert stack.objects("runs/again/")["runs/again/log-1.txt"].endswith(b"step 1\n")


class TestConnectionThatIsLost:
    # As a service of the node, because whoever asks for it loses his own connection, too; and longer than Ansible itself tries again.
    CUT = (
        "systemctl stop ssh.socket ssh; pkill -KILL -f '^sshd(-session)?: .*@'; "
        "docker exec trainyard-run-cut touch /tmp/go; sleep 20; systemctl start ssh"
    )

    def test_what_came_meanwhile_follows_without_gap_or_repeat(self, stack: Stack) -> None:
        with stack.follow("train", *options_of(stack, MAIN, "cut", CUT_RUN)) as followed:
            followed.wait_until_it_says("step 5\n")
            stack.ssh(f"sudo systemd-run --quiet sh -c {shlex.quote(self.CUT)}", host=MAIN)
            outcome = followed.finish()
        assert outcome.status == 0, outcome.text
        assert f"Connection to {MAIN} lost; the training goes on there." in outcome.text
        assert re.search(rf"^Connection to {MAIN} is back after \d+ s\.$", outcome.text, re.MULTILINE), outcome.text
        assert_forty_steps(stack, "cut", outcome.text)


class TestDockerThatRestarts:
    def test_the_container_outlives_it_and_so_do_its_followers(self, stack: Stack) -> None:
        engine = "sudo systemctl show --property MainPID docker"
        with stack.follow("train", *options_of(stack, MAIN, "restarted", CUT_RUN)) as followed:
            followed.wait_until_it_says("step 5\n")
            before = stack.ssh(engine, host=MAIN).text
            assert stack.ssh("sudo systemctl restart docker", host=MAIN).status == 0
            assert stack.ssh(engine, host=MAIN).text != before
            go_on(stack, "restarted")
            outcome = followed.finish()
        assert outcome.status == 0, outcome.text
        assert_forty_steps(stack, "restarted", outcome.text)
        record = record_of(stack, "restarted")
        assert (record["outcome"], record["exit_code"], record["attempts"]) == ("succeeded", 0, 1)


class TestHostileLog:
    def test_is_tame_on_the_screen_and_whole_in_the_bucket(self, stack: Stack) -> None:
        hostile = {"training_run_hyperparameters": {MARKUP: MARKUP}}
        outcome = stack.play("train", *options_of(stack, MAIN, "hostile", HOSTILE_RUN, **hostile))
        assert outcome.status == 0, outcome.text
        numbers = "".join(f"{number}\n" for number in range(1, 20_001))
        long_line = "x" * 2000 + "... (10.0 MB more in the log)"
        end = f'{{"loss{MARKUP}": 0.5}}\n{MARKUP}\nno newline'
        assert f"title\ngone\n100%\nbad \ufffd end\n{long_line}\n{numbers}{end}\n" in outcome.text
        assert "\x1b" not in outcome.text
        written = b"\x1b]0;owned\x07title\n\x1b[2Jgone\n10%\r20%\r100%\nbad \xff\0 end\n" + b"x" * 10_000_000 + b"\n"
        assert stack.objects("runs/hostile/")["runs/hostile/log.txt"] == written + (numbers + end).encode()

    def test_is_but_text_in_its_report(self, stack: Stack, tmp_path: Path) -> None:
        options = {"aws_runs_ids": ["hostile"], "aws_runs_report_directory": str(tmp_path)}
        outcome = stack.play("runs", "-e", json.dumps(options))
        assert outcome.status == 0, outcome.text
        assert "\x1b" not in outcome.text
        pages = {}
        for name in ("hostile", "index"):
            text = (tmp_path / f"{name}.html").read_text()
            assert "\x1b" not in text
            pages[name] = page = Page(text)
            assert not page.tags & {"script", "img", "b", "iframe", "object", "link"}
            assert not {each for each in page.attributes if each.startswith("on") or each == "src"}
        page = pages["hostile"]
        assert (page.links, pages["index"].links) == (["index.html"], ["hostile.html"])
        # As text it is there: as the name and value of a hyperparameter, in that of a metric and of a file, and in the log.
        for told in (MARKUP, f"loss{MARKUP}"[:60], FILE):
            assert told in page.texts
        assert any(each.endswith(f"\n{MARKUP}\nno newline") for each in page.texts)


class Page(HTMLParser):
    """What a browser would see in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str | None] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _value in attrs}
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


class TestBucketThatRefuses:
    def test_the_training_goes_on_and_all_of_it_comes_when_the_bucket_opens(self, stack: Stack, faults: Faults) -> None:
        script = (
            "echo 1 > /opt/ml/checkpoints/step-1.pt; while ! [ -e /tmp/go ]; do sleep 0.1; done; "
            "echo 2 > /opt/ml/checkpoints/step-2.pt; echo weights > /opt/ml/model/weights"
        )
        refused = {"match": {"service": "s3", "action": "PutObject", "path": "*/runs/refused/*"}, "times": None}
        stack.lab.page("faults", "POST", {**refused, "then": {"code": "AccessDenied", "status": 403}})
        outcome = stack.play("train", *options_of(stack, MAIN, "refused", script, **UNFOLLOWED))
        assert outcome.status == 0, outcome.text
        self.wait_for_event(stack, '"copy_failed".*AccessDenied')
        self.wait_for_event(stack, '"copies_late"')
        running = "sudo docker inspect --format '{{.State.Status}}' trainyard-run-refused"
        assert stack.ssh(running, host=MAIN).text.strip() == "running"
        go_on(stack, "refused")
        self.wait_for_event(stack, '"results_failed".*AccessDenied')
        assert stack.objects("runs/refused/") == {}
        faults.clear()
        wait_for(lambda: record_of(stack, "refused"), PATIENCE_SECONDS, "the results")
        objects = stack.objects("runs/refused/")
        assert record_of(stack, "refused")["outcome"] == "succeeded"
        assert objects["runs/refused/model/weights"] == b"weights\n"
        assert_latest_is_whole(objects, "refused", "step-2.pt")
        wait_for(lambda: "results_collected" in events_of(stack, "refused"), PATIENCE_SECONDS, "the last events")

    def wait_for_event(self, stack: Stack, pattern: str) -> None:
        """Of the events on the node, because those in the bucket cannot come."""
        command = f"sudo grep --quiet '{pattern}' /var/lib/trainyard/runs/refused/events.jsonl"
        wait_for(lambda: stack.ssh(command, host=MAIN).status == 0, PATIENCE_SECONDS, pattern)


class TestBudget:
    """A node has a minute after its run, for those who follow it: the tests below use it."""

    def test_ends_a_run_whose_controller_is_gone(self, stack: Stack) -> None:
        with stack.follow("train", *options_of(stack, ALONE, "alone", POLITE_RUN, **BUDGET)) as followed:
            followed.wait_until_it_says("step 1\n")
            kill_whole(followed.process)

    def test_ends_a_run_that_is_followed(self, stack: Stack) -> None:
        """Whoever died while following held nothing."""
        outcome = stack.play("train", *options_of(stack, WATCHED, "watched", POLITE_RUN, **BUDGET))
        assert outcome.status == 0, outcome.text
        assert "saved\n" in outcome.text
        assert PENNILESS in outcome.text


class TestTwoOperatorsAndAControllerThatDies:
    """Ada trains. Grace comes from another checkout with nothing but the inventory, and goes on when Ada's machine is dead."""

    def test_only_one_at_a_time_starts_a_run(self, stack: Stack, elsewhere: Stack, faults: Faults) -> None:
        options = options_of(stack, MAIN, "shared", HELD_RUN, training_run_when_finished="terminate")
        faults.add("DescribeInstanceAttribute", {"delay_seconds": SECONDS_HELD})
        since = len(stack.lab.calls())
        with stack.follow("train", *options) as ada:
            wait_for(
                lambda: "DescribeInstanceAttribute" in [call["action"] for call in stack.lab.calls(since)],
                PATIENCE_SECONDS,
                "Ada to be about to start",
            )
            before = len(stack.lab.calls())
            refused = elsewhere.play("train", *options, "-e", "stack_owner=grace")
            assert refused.status != 0
            assert re.search(
                r'Stack "runs" is held by ada on \S+ \(process \d+\) since \S+ for "train"', refused.text
            ), refused.text
            assert set(writes(stack.lab.calls(before))) <= {"s3:PutObject"}  # the attempt to take the lock
            os.killpg(ada.process.pid, signal.SIGINT)
            assert ada.finish().status != 0
        assert stack.objects(".trainyard/") == {}, "Ctrl-C left the stack held"

    def test_the_run_outlives_the_controller(self, stack: Stack, elsewhere: Stack) -> None:
        options = options_of(stack, MAIN, "shared", HELD_RUN)
        with stack.follow("train", *options) as ada:
            ada.wait_until_it_says("step 5\n")
            with elsewhere.follow("train", *options, "-e", "stack_owner=grace") as grace:
                grace.wait_until_it_says("step 5\n")
                kill_whole(ada.process)
                go_on(stack, "shared")
                outcome = grace.finish()
        assert 'Coming back to run "shared"' in outcome.text
        assert re.findall(r"^step (\d+)$", outcome.text, re.MULTILINE) == [str(number) for number in range(1, 11)]
        assert outcome.status != 0
        assert "exit code 3" in outcome.text
        containers = stack.ssh("sudo docker ps --all --format '{{.Names}}'", host=MAIN).text
        assert containers.count("shared") == 1

    def test_its_results_are_collected_from_the_other_checkout(self, elsewhere: Stack) -> None:
        outcome = elsewhere.play("collect", "-e", f"target={MAIN}", "-e", "training_run_id=shared")
        assert outcome.status == 0, outcome.text
        objects = elsewhere.objects("runs/shared/")
        assert objects["runs/shared/model/half"] == b"half\n"
        assert objects["runs/shared/log.txt"].endswith(b"step 10\nthe disk is on fire\n")
        assert record_of(elsewhere, "shared")["exit_code"] == 3


class TestSpotNotice:
    def test_the_last_checkpoint_is_home_before_the_node_is_taken(self, stack: Stack) -> None:
        with stack.follow("train", *options_of(stack, SPOT, "spot", POLITE_RUN)) as followed:
            followed.wait_until_it_says("step 1\n")
            stack.lab.page("spot", "POST", {"instance": stack.instances()[SPOT]["InstanceId"], "seconds": 300})
            outcome = followed.finish()
        assert "stopped because AWS takes the spot instance back" in outcome.text
        assert SPOT in stack.instances()
        wait_for(lambda: "results_collected" in events_of(stack, "spot"), PATIENCE_SECONDS, "the last events")
        assert "spot_interruption" in events_of(stack, "spot")
        assert_latest_is_whole(stack.objects("runs/spot/"), "spot", "step-2.pt")
        assert record_of(stack, "spot")["outcome"] == "stopped"


class TestAfterTheBudget:
    @pytest.mark.parametrize(("run_id", "node"), [("alone", ALONE), ("watched", WATCHED)])
    def test_the_results_are_home_and_the_node_is_gone(self, stack: Stack, run_id: str, node: str) -> None:
        wait_for(lambda: node not in stack.instances(), PATIENCE_SECONDS, "the node to end itself")
        record = record_of(stack, run_id)
        assert record["outcome"] == "stopped"
        assert PENNILESS in record["reason"]
        assert_latest_is_whole(stack.objects(f"runs/{run_id}/"), run_id, "step-2.pt")
        events = events_of(stack, run_id)
        assert "budget_limit" in events
        assert events[-2:] == ["results_collected", "shutdown"]


class TestNodeThatIsGone:
    def test_whoever_asks_for_the_run_hears_what_is_safe(self, stack: Stack) -> None:
        outcome = stack.play("train", *options_of(stack, MAIN, "lost", POLITE_RUN, **UNFOLLOWED))
        assert outcome.status == 0, outcome.text
        latest = "runs/lost/checkpoints/LATEST"
        wait_for(lambda: latest in stack.objects("runs/lost/"), PATIENCE_SECONDS, "the first checkpoint in the bucket")
        stack.lab.client("ec2").terminate_instances(InstanceIds=[stack.instances()[MAIN]["InstanceId"]])
        for playbook in ("logs", "collect"):
            outcome = stack.play(playbook, "-e", f"target={MAIN}", "-e", "training_run_id=lost")
            assert outcome.status != 0
            assert f'The stack has no node "{MAIN}"' in outcome.text
            assert f's3://{stack.bucket}/runs/lost/checkpoints/ is its newest checkpoint "step-1.pt"' in outcome.text
        outcome = stack.play("status")
        assert outcome.status == 0, outcome.text
        assert f'Node "{MAIN}" is gone. Run "lost" had not ended.' in outcome.text
        assert f's3://{stack.bucket}/runs/lost/checkpoints/ is its newest checkpoint "step-1.pt"' in outcome.text
        assert_latest_is_whole(stack.objects("runs/lost/"), "lost", "step-1.pt")

    def test_another_node_trains_on_from_there(self, stack: Stack, elsewhere: Stack) -> None:
        alone = {"aws_nodes_groups": [{**GROUPS[0], "count": 1}], "target": MAIN}
        for playbook in ("provision", "configure"):
            outcome = elsewhere.play(playbook, "-e", json.dumps(alone))
            assert outcome.status == 0, outcome.text
        options = ("-e", f"target={MAIN}", "-e", "training_run_id=lost")
        with elsewhere.follow("resume", *options) as followed:
            followed.wait_until_it_says("step 1\n")
            outcome = stack.play("stop", *options)
            assert outcome.status == 0, outcome.text
            assert "saved\n" in followed.finish().text
        record = record_of(stack, "lost")
        assert (record["outcome"], record["attempts"], record["node"]) == ("stopped", 2, MAIN)
        assert record["earlier_attempts"][0]["reason"] == "its node went away"
        assert_latest_is_whole(stack.objects("runs/lost/"), "lost", "step-2.pt")


class TestWhoeverComesFromElsewhere:
    def test_can_destroy_the_stack(self, elsewhere: Stack) -> None:
        outcome = elsewhere.play("destroy", "-e", "stack_purge=runs", "-e", "stack_owner=grace")
        assert outcome.status == 0, outcome.text
        assert '0 left of stack "runs"' in outcome.text
        assert elsewhere.instances() == {}
