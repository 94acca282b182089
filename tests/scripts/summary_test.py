"""What scripts/lib/summary.py counts, shown on files that a real CTest wrote."""

import contextlib
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lib"))
import summary  # noqa: E402

# As GoogleTest prints a skip, and as gtest_discover_tests tells CTest of it.
PROJECT = r"""
cmake_minimum_required(VERSION 3.25)
project(suite NONE)
enable_testing()
add_test(NAME good_test.Passes COMMAND true)
add_test(NAME gpu_test.NeedsGpu COMMAND printf [[%s\n]] "gpu_test.cc:7: Skipped" "no <GPU>, nor two"
         "[  SKIPPED ] gpu_test.NeedsGpu (0 ms)")
set_tests_properties(gpu_test.NeedsGpu PROPERTIES SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
"""
SKIP_OF_GPU = "gpu_test.* | this machine may have none\n"


class SummaryTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.logs = self.root / "logs"
        self.logs.mkdir()
        self.checks("buf-lint\tpassed\t\n")

    def checks(self, text):
        (self.logs / "checks.tsv").write_text(text)

    def run_ctest(self, more=""):
        source = self.root / "source"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(PROJECT + more)
        build = self.root / "build"
        subprocess.run(["cmake", "-S", source, "-B", build], check=True, capture_output=True)
        subprocess.run(["ctest", "--test-dir", build, "--output-junit", self.logs / "tests.xml",
                        "--test-output-size-passed", "100000"], check=False, capture_output=True)

    def summarise(self, allowed):
        """Returns the exit code and the lines that were printed."""
        path = self.root / "allowed.txt"
        path.write_text(allowed)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = summary.main(["--logs", str(self.logs), "--allowed", str(path)])
        return code, printed.getvalue().splitlines()

    def test_an_allowed_skip_passes_and_is_shown_with_its_reason(self):
        self.run_ctest()
        code, lines = self.summarise("# GPUs\n" + SKIP_OF_GPU)
        self.assertEqual(code, 0, lines)
        self.assertEqual(lines[-1], "2 passed, 0 failed, 1 skipped")
        self.assertIn("  tests: gpu_test.NeedsGpu: no <GPU>, nor two", lines)

    def test_a_skip_that_is_not_on_the_list_fails(self):
        self.run_ctest()
        code, lines = self.summarise("other_test.* | something else\n")
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "2 passed, 1 failed, 0 skipped")
        self.assertIn("not in the list of allowed skips", "\n".join(lines))

    def test_a_pattern_must_match_the_whole_name(self):
        self.run_ctest()
        code, _ = self.summarise("NeedsGpu | part of a name\n")
        self.assertEqual(code, 1)

    def test_a_failing_test_fails(self):
        self.run_ctest("add_test(NAME bad_test.Fails COMMAND false)\n")
        code, lines = self.summarise(SKIP_OF_GPU)
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "2 passed, 1 failed, 1 skipped")

    def test_a_test_whose_program_is_missing_fails_even_where_all_skips_are_allowed(self):
        self.run_ctest("add_test(NAME lost_test.IsLost COMMAND /nonexistent/program)\n")
        code, lines = self.summarise("* | everything\n")
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "2 passed, 1 failed, 1 skipped")

    def test_a_disabled_test_is_a_skip(self):
        self.run_ctest("add_test(NAME off_test.IsOff COMMAND true)\n"
                       "set_tests_properties(off_test.IsOff PROPERTIES DISABLED TRUE)\n")
        code, lines = self.summarise(SKIP_OF_GPU)
        self.assertEqual(code, 1)
        self.assertIn("off_test.IsOff", "\n".join(lines))

    def test_checks_count_like_tests(self):
        self.checks("buf-lint\tpassed\t\nbuf-breaking\tskipped\tno commit before\nformat\tfailed\tsee log\n")
        code, lines = self.summarise("buf-breaking | the first commit has none before\n")
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "1 passed, 1 failed, 1 skipped")

    def test_a_pattern_without_a_reason_is_refused_by_line(self):
        code, lines = self.summarise("# GPUs\ngpu_test.*\n")
        self.assertEqual(code, 1)
        self.assertIn("allowed.txt:2", lines[-1])

    def test_a_result_file_that_was_cut_off_fails(self):
        (self.logs / "tests.xml").write_text("<testsuite><testcase")
        code, _ = self.summarise("")
        self.assertEqual(code, 1)


if __name__ == "__main__":
    unittest.main()
