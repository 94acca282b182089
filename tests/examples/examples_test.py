"""The shipped oracles: they are as small as they claim to be, and right."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from oracle_for_test import EXAMPLES, insecure_client, request_of, running, statuses


class SmallestTest(unittest.TestCase):
    def test_the_smallest_oracle_is_about_twenty_lines(self):
        lines = (EXAMPLES / "gc_content.py").read_text(encoding="utf-8").splitlines()
        self.assertLessEqual(len([line for line in lines if line.strip()]), 20)

    def test_gc_content_is_the_share_of_g_and_c(self):
        with running("gc_content.py") as (address, _):
            answer = insecure_client(address).evaluate(request_of(["GGCA", "", "AT", "XX"]))
            self.assertEqual(statuses(answer), ["OK", "INVALID", "OK", "INVALID"])
            self.assertEqual([answer.raw_values[0], answer.raw_values[2]], [0.75, 0.0])


@unittest.skipUnless(importlib.util.find_spec("rdkit"), "RDKit is missing; on Debian: apt-get install python3-rdkit")
class MoleculesTest(unittest.TestCase):
    def test_molecules_get_rdkits_own_values(self):
        aspirin = "CC(=O)Oc1ccccc1C(=O)O"
        with running("molecules.py") as (address, _):
            request = request_of([aspirin, "no molecule", "", "C" * 20], object_format="smiles")
            answer = insecure_client(address).evaluate(request)
        self.assertEqual(statuses(answer), ["OK", "INVALID", "INVALID", "OK"])
        self.assertEqual(list(answer.objectives), ["qed", "sa"])
        # RDKit's published value of aspirin's QED is 0.550; it is easy to make.
        self.assertAlmostEqual(answer.raw_values[0], 0.550, places=3)
        self.assertAlmostEqual(answer.raw_values[1], 1.580, places=3)

    def test_worker_processes_give_the_same_values(self):
        request = request_of(["CCO", "c1ccccc1", "CC(N)=O"] * 40, object_format="smiles")
        answers = []
        for flags in ([], ["--processes", "2"]):
            with running("molecules.py", *flags) as (address, _):
                answers.append(insecure_client(address).evaluate(request))
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(set(statuses(answers[0])), {"OK"})


class LabQueueTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.environment = {"LAB_QUEUE": os.path.join(self.directory.name, "queue.sqlite"), "LAB_QUEUE_ASK_AGAIN": "7"}

    def tearDown(self):
        self.directory.cleanup()

    def command(self, *arguments):
        command = [sys.executable, "-B", str(EXAMPLES / "lab_queue.py"), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **self.environment}
        )

    def test_answers_typed_later_are_found_also_after_a_restart(self):
        with running("lab_queue.py", environment=self.environment) as (address, _):
            first = insecure_client(address).evaluate(request_of(["ACGT", "TTTT", "GG", ""]))
            self.assertEqual(statuses(first), ["PENDING"] * 3 + ["INVALID"])
            self.assertEqual(first.retry_after_millis[0], 7000)
        self.assertEqual(self.command("open").stdout.split(), ["ACGT", "TTTT", "GG"])
        self.assertEqual(self.command("answer", "TTTT", "0.7").returncode, 0)
        self.assertEqual(self.command("answer", "GG", "invalid").returncode, 0)
        with running("lab_queue.py", environment=self.environment) as (address, _):
            again = request_of(["ACGT", "TTTT", "GG"], request_id="2")
            for one, ticket in zip(again.objects, first.tickets):
                one.ticket = ticket
            answer = insecure_client(address).evaluate(again)
        self.assertEqual(statuses(answer), ["PENDING", "OK", "INVALID"])
        self.assertEqual((answer.raw_values[1], answer.tickets[0]), (0.7, first.tickets[0]))

    def test_answers_that_nobody_asked_for_are_refused(self):
        self.assertEqual(self.command("answer", "A", "1").returncode, 1)
        self.assertIn("'lab_queue.py open'", self.command("answer", "A", "1").stderr)
        self.assertEqual(self.command("answer", "A", "inf").returncode, 1)


@unittest.skipUnless("ANABRANCH_BIN_DIR" in os.environ, "runs against the built command, under CTest")
class CheckOracleTest(unittest.TestCase):
    def check(self, script, *flags, environment=None):
        anabranch = pathlib.Path(os.environ["ANABRANCH_BIN_DIR"], "anabranch")
        with running(script, *flags, environment=environment) as (address, _):
            command = [anabranch, "check-oracle", address, "--no-throughput"]
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)

    def assert_passes(self, *arguments, **settings):
        out = self.check(*arguments, **settings)
        self.assertEqual(out.returncode, 0, out.stdout + out.stderr)
        self.assertNotIn("\nWARN", out.stdout)

    def test_gc_content_passes(self):
        self.assert_passes("gc_content.py")
        self.assert_passes("gc_content.py", "--processes", "2")

    @unittest.skipUnless(importlib.util.find_spec("rdkit"), "RDKit is missing; on Debian: apt-get install python3-rdkit")
    def test_molecules_pass(self):
        self.assert_passes("molecules.py")

    def test_lab_queue_passes(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assert_passes("lab_queue.py", environment={"LAB_QUEUE": os.path.join(directory, "queue.sqlite")})


if __name__ == "__main__":
    unittest.main()
