"""The contract that the Python helper carries is the one of proto/."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

from oracle_for_test import EXAMPLES
from google.protobuf import descriptor_pb2

HELPER = EXAMPLES / "anabranch_oracle"


def read(path):
    """Files by name, without what compilers may or may not write down."""
    files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(path).read_bytes())
    for file in files.file:
        for message in file.message_type:
            clear_json_names(message)
    return {file.name: file for file in files.file}


def clear_json_names(message):
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        clear_json_names(nested)


class ContractTest(unittest.TestCase):
    @unittest.skipUnless(shutil.which("protoc"), "protoc is missing; on Debian: apt-get install protobuf-compiler")
    def test_committed_contract_is_what_protoc_makes_of_the_tree(self):
        with tempfile.TemporaryDirectory() as directory:
            made = pathlib.Path(directory, "contract.binpb")
            subprocess.run([HELPER / "update_contract", made], check=True)
            fresh = read(made)
        committed = read(HELPER / "contract.binpb")
        self.assertIn("anabranch/v1/reward.proto", committed)
        self.assertEqual(committed, fresh, "run examples/oracles/python/anabranch_oracle/update_contract")


if __name__ == "__main__":
    unittest.main()
