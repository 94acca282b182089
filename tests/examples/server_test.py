"""The helper's server as others see it: real sockets, certificates, signals and worker processes."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

import grpc
from oracle_for_test import EXAMPLES, Client, insecure_client, reason_of, request_of, running, statuses
from anabranch_oracle import contract

# An oracle with every way to go wrong, by object.
HOSTILE = """
import os, time
from anabranch_oracle import Objective, oracle, serve

@oracle(name="hostile", objectives=["length"], formats=["sequence"], max_batch=8)
def score(objects):
    for one in objects:
        if one == "crash":
            os._exit(9)
        if one == "exit":
            raise SystemExit("no more")
    return [len(one) for one in objects]

if __name__ == "__main__":
    serve(score)
"""


class ServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.script = os.path.join(cls.directory.name, "hostile.py")
        pathlib.Path(cls.script).write_text(HOSTILE, encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def serve(self, *arguments):
        return running(self.script, *arguments, environment={"PYTHONPATH": str(EXAMPLES)})

    def test_codes_and_reasons_cross_the_socket(self):
        with self.serve() as (address, _):
            client = insecure_client(address)
            for request, code, reason in (
                (request_of(["A"], expected_fingerprint="x"), grpc.StatusCode.FAILED_PRECONDITION, "FINGERPRINT_CHANGED"),
                (request_of(["A"] * 9), grpc.StatusCode.INVALID_ARGUMENT, "TOO_LARGE"),
            ):
                with self.assertRaises(grpc.RpcError) as caught:
                    client.evaluate(request)
                self.assertEqual((caught.exception.code(), reason_of(caught.exception)), (code, reason))
            self.assertEqual(statuses(client.evaluate(request_of(["A"] * 8))), ["OK"] * 8)

    def test_health_is_told_and_watched_until_the_end(self):
        with self.serve() as (address, process):
            client = insecure_client(address)
            self.assertEqual(client.health(), contract.SERVING)
            self.assertEqual(client.health("anabranch.v1.RewardService"), contract.SERVING)
            with self.assertRaises(grpc.RpcError) as caught:
                client.health("no.Such")
            self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
            watch = client.channel.unary_stream(
                "/grpc.health.v1.Health/Watch",
                lambda message: message.SerializeToString(),
                contract.HealthCheckResponse.FromString,
            )(contract.HealthCheckRequest())
            self.assertEqual(next(watch).status, contract.SERVING)
            process.send_signal(signal.SIGTERM)
            self.assertEqual([answer.status for answer in watch], [contract.NOT_SERVING])
            self.assertEqual(process.wait(), 0)

    def test_reflection_lists_services_and_gives_their_files(self):
        with self.serve() as (address, _):
            ask = insecure_client(address).channel.stream_stream(
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                lambda message: message.SerializeToString(),
                contract.ReflectionResponse.FromString,
            )
            questions = [
                contract.ReflectionRequest(list_services=""),
                contract.ReflectionRequest(file_containing_symbol="anabranch.v1.RewardService"),
                contract.ReflectionRequest(file_by_filename="google/rpc/status.proto"),
                contract.ReflectionRequest(file_containing_symbol="no.Such"),
            ]
            answers = list(ask(iter(questions)))
            names = [service.name for service in answers[0].list_services_response.service]
            self.assertIn("anabranch.v1.RewardService", names)
            files = answers[1].file_descriptor_response.file_descriptor_proto
            self.assertIn(b"anabranch/v1/reward.proto", files[0])
            # The file and what it imports.
            self.assertEqual(len(answers[2].file_descriptor_response.file_descriptor_proto), 2)
            self.assertEqual(answers[3].error_response.error_code, 5)

    def test_crash_of_a_worker_process_costs_its_object_only(self):
        with self.serve("--processes", "1") as (address, _):
            client = insecure_client(address)
            answer = client.evaluate(request_of(["A", "crash", "AAA"]))
            self.assertEqual(statuses(answer), ["OK", "FAILED", "OK"])
            self.assertEqual((answer.raw_values[0], answer.raw_values[2]), (1, 3))
            self.assertIn("worker process", answer.reasons[1])

    def test_scoring_function_that_exits_does_not_end_the_server(self):
        with self.serve() as (address, _):
            client = insecure_client(address)
            self.assertEqual(statuses(client.evaluate(request_of(["exit", "A"]))), ["FAILED", "OK"])
            self.assertEqual(statuses(client.evaluate(request_of(["AA"], request_id="2"))), ["OK"])


class FlagsTest(unittest.TestCase):
    def run_flags(self, *arguments):
        command = [sys.executable, "-B", str(EXAMPLES / "gc_content.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_help_says_what_is_served(self):
        out = self.run_flags("--help")
        self.assertEqual(out.returncode, 0)
        self.assertIn("gc_content", out.stdout)
        self.assertIn("--token-file", out.stdout)

    def test_wrong_usage_is_refused_with_the_remedy(self):
        for arguments, remedy in (
            (["--listen", "0.0.0.0:0"], "--insecure"),
            (["--token-file", "t"], "--certificate-file"),
            (["--key-file", "k"], "go together"),
            (["--ca-file", "c"], "--certificate-file"),
            (["--threads", "0"], "at least 1"),
        ):
            out = self.run_flags(*arguments)
            self.assertEqual(out.returncode, 2, arguments)
            self.assertIn(remedy, out.stderr)
        missing = self.run_flags("--certificate-file", "/no/such", "--key-file", "/no/such")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("/no/such", missing.stderr)

    def test_port_that_is_taken_is_named(self):
        with running("gc_content.py") as (address, _):
            out = self.run_flags("--listen", address)
            self.assertEqual(out.returncode, 1)
            self.assertIn(address, out.stderr)


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class SecurityTest(unittest.TestCase):
    """An authority, a server's and a client's certificate, and an authority that nobody trusts."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        for authority in ("ca", "other-ca"):
            openssl(
                *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj".split(),
                f"/CN={authority}", "-keyout", cls.path(f"{authority}.key"), "-out", cls.path(f"{authority}.pem"),
            )  # fmt: skip
        for name, authority in (("server", "ca"), ("client", "ca"), ("stranger", "other-ca")):
            cls.sign(name, authority)
        pathlib.Path(cls.path("token")).write_text("open-sesame\n", encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.directory.name, name)

    @classmethod
    def read(cls, name):
        return pathlib.Path(cls.path(name)).read_bytes()

    @classmethod
    def sign(cls, name, authority):
        pathlib.Path(cls.path("extensions")).write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n", encoding="utf-8")
        openssl(
            *"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj".split(),
            f"/CN={name}", "-keyout", cls.path(f"{name}.key"), "-out", cls.path(f"{name}.csr"),
        )  # fmt: skip
        openssl(
            "x509", "-req", "-in", cls.path(f"{name}.csr"), "-CA", cls.path(f"{authority}.pem"), "-CAkey",
            cls.path(f"{authority}.key"), "-CAcreateserial", "-days", "2", "-extfile", cls.path("extensions"),
            "-out", cls.path(f"{name}.pem"),
        )  # fmt: skip

    def serve(self, *names):
        flags = ["--certificate-file", self.path("server.pem"), "--key-file", self.path("server.key")]
        return running("gc_content.py", *flags, *names)

    def client(self, address, authority="ca", certificate=None, token=None):
        pair = (self.read(f"{certificate}.key"), self.read(f"{certificate}.pem")) if certificate else (None, None)
        credentials = grpc.ssl_channel_credentials(self.read(f"{authority}.pem"), *pair)
        return Client(grpc.secure_channel(address, credentials), token)

    def assert_refused(self, client, code):
        with self.assertRaises(grpc.RpcError) as caught:
            client.describe()
        self.assertEqual(caught.exception.code(), code)

    def test_tls_is_for_clients_that_trust_the_authority(self):
        with self.serve() as (address, _):
            self.assertEqual(self.client(address).describe().name, "gc_content")
            self.assert_refused(self.client(address, authority="other-ca"), grpc.StatusCode.UNAVAILABLE)
            self.assert_refused(insecure_client(address), grpc.StatusCode.UNAVAILABLE)

    def test_mtls_refuses_clients_without_a_signed_certificate(self):
        with self.serve("--ca-file", self.path("ca.pem")) as (address, _):
            self.assertEqual(self.client(address, certificate="client").describe().name, "gc_content")
            self.assert_refused(self.client(address), grpc.StatusCode.UNAVAILABLE)
            self.assert_refused(self.client(address, certificate="stranger"), grpc.StatusCode.UNAVAILABLE)

    def test_token_opens_and_nothing_else_does(self):
        with self.serve("--token-file", self.path("token")) as (address, _):
            self.assertEqual(self.client(address, token="open-sesame").describe().name, "gc_content")
            for token in (None, "", "open-sesam", "open-sesame2"):
                self.assert_refused(self.client(address, token=token), grpc.StatusCode.UNAUTHENTICATED)
            self.assertEqual(self.client(address).health(), contract.SERVING)


if __name__ == "__main__":
    unittest.main()
