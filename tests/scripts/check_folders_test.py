"""What scripts/lib/check_folders.py refuses."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lib"))
import check_folders  # noqa: E402


def faults(path, *includes):
    text = "".join(f"#include {include}\n" for include in includes)
    return [number for number, _ in check_folders.faults_of(path, text)]


class CheckFoldersTest(unittest.TestCase):
    def test_arrows_point_one_way(self):
        self.assertEqual(faults("learner/learner.cc", '"gflownet/random.h"', '"runtime/config.h"',
                                '"learner/adam.h"', '"anabranch/v1/replay.pb.h"', "<vector>"), [])
        self.assertEqual(faults("gflownet/policy/policy.cc", '"runtime/config.h"',
                                '"anabranch/v1/replay.pb.h"'), [1, 2])
        self.assertEqual(faults("runtime/config.cc", '"cli/main.h"'), [1])

    def test_roles_never_include_each_other(self):
        for role in check_folders.ROLES:
            others = [f'"{other}/x.h"' for other in check_folders.ROLES if other != role]
            self.assertEqual(faults(f"{role}/x.cc", *others), [1, 2, 3])
        self.assertEqual(faults("cli/train.cc", '"actor/x.h"', '"learner/x.h"'), [])

    def test_libtorch_stays_where_tensors_are(self):
        self.assertEqual(faults("gflownet/environment/hypergrid.cc", "<ATen/core/Tensor.h>"), [1])
        self.assertEqual(faults("replay/table.h", "<torch/torch.h>"), [1])
        self.assertEqual(faults("gflownet/policy/policy.h", "<ATen/core/Tensor.h>"), [])

    def test_long_files_are_refused(self):
        self.assertEqual(check_folders.faults_of("actor/actor.h", "\n" * 150), [])
        self.assertEqual([n for n, _ in check_folders.faults_of("actor/actor.h", "\n" * 151)], [151])
        self.assertEqual([n for n, _ in check_folders.faults_of("actor/actor.cc", "\n" * 401)], [401])


if __name__ == "__main__":
    unittest.main()
