"""What a scoring function returns, and what becomes of it."""

import math
import unittest

import oracle_for_test  # noqa: F401  Skips without gRPC; brings the helper.
from anabranch_oracle.answers import (
    Failed,
    Infeasible,
    Invalid,
    OracleError,
    Pending,
    Retry,
    Scores,
    answers_of,
    row_of,
)
from anabranch_oracle.definition import Objective, oracle
from anabranch_oracle.service import mean_of


class RowTest(unittest.TestCase):
    def test_numbers_and_dicts_are_values_in_the_declared_order(self):
        self.assertEqual(row_of(["a"], 0.5).values, [0.5])
        self.assertEqual(row_of(["a", "b"], {"b": 2, "a": 1}).values, [1.0, 2.0])

    def test_missing_values_are_unknown_and_the_others_count(self):
        row = row_of(["a", "b"], {"b": 2})
        self.assertEqual((row.status, row.values), ("OK", [None, 2.0]))
        self.assertEqual(row_of(["a", "b"], {"a": None, "b": None}).status, "INVALID")

    def test_values_that_are_not_finite_fail_and_are_named(self):
        for bad in (math.nan, math.inf, -math.inf):
            row = row_of(["a", "b"], {"a": 1, "b": bad})
            self.assertEqual(row.status, "FAILED")
            self.assertIn("b is", row.reason)

    def test_wrong_answers_fail_with_what_is_wrong(self):
        self.assertIn("isn't declared", row_of(["a"], {"a": 1, "c": 2}).reason)
        self.assertIn("isn't a number", row_of(["a"], "0.5").reason)
        self.assertIn("give a dict", row_of(["a", "b"], 0.5).reason)
        self.assertIn("tickets=True", row_of(["a"], Pending()).reason)

    def test_each_kind_of_answer_has_its_status(self):
        kinds = [(None, "INVALID"), (Invalid("x"), "INVALID"), (Infeasible("x"), "INFEASIBLE")]
        kinds += [(Failed("x"), "FAILED"), (Retry("x", after=2), "RETRYABLE"), (Pending(retry_after=3), "PENDING")]
        for answer, status in kinds:
            self.assertEqual(row_of(["a"], answer, tickets=True).status, status)
        self.assertEqual(row_of(["a"], Retry("x", after=2)).retry_after_millis, 2000)
        self.assertEqual(row_of(["a"], Pending(retry_after=3), tickets=True).retry_after_millis, 3000)

    def test_cost_is_the_answers_own_or_the_declared_one(self):
        self.assertEqual(row_of(["a"], 1, cost=2).cost, 2)
        self.assertEqual(row_of(["a"], Scores(1, cost=3), cost=2).cost, 3)
        self.assertEqual(row_of(["a"], Retry(), cost=2).cost, 0)

    def test_huge_reasons_are_cut_to_one_line(self):
        reason = row_of(["a"], Failed("no\n" * 100000)).reason
        self.assertLessEqual(len(reason), 300)
        self.assertNotIn("\n", reason)


class AnswersTest(unittest.TestCase):
    def test_columns_are_turned_into_rows(self):
        self.assertEqual(answers_of({"a": [1, 2], "b": [3, 4]}, 2), [{"a": 1, "b": 3}, {"a": 2, "b": 4}])

    def test_wrong_counts_are_named(self):
        with self.assertRaisesRegex(OracleError, "3 answers for 2 objects"):
            answers_of([1, 2, 3], 2)
        with self.assertRaisesRegex(OracleError, "1 values of a for 2 objects"):
            answers_of({"a": [1]}, 2)
        for nothing in (None, 7, "ab"):
            with self.assertRaisesRegex(OracleError, "give a list"):
                answers_of(nothing, 2)


class MeanTest(unittest.TestCase):
    def test_replicates_become_mean_and_standard_error(self):
        row = mean_of([row_of(["a"], value, cost=1) for value in (1, 2, 3, 6)])
        self.assertEqual((row.values, row.count, row.cost), ([3.0], 4, 4))
        # Variance (4 + 1 + 0 + 9) / 3, of the mean a quarter of that.
        self.assertAlmostEqual(row.errors[0], math.sqrt(14 / 3 / 4))

    def test_one_replicate_that_fails_is_told(self):
        self.assertEqual(mean_of([row_of(["a"], 1), row_of(["a"], Failed("x"))]).status, "FAILED")


class DefinitionTest(unittest.TestCase):
    def test_wrong_declarations_are_refused_by_name(self):
        for message, settings in (
            ("objectives", {"objectives": []}),
            ("twice", {"objectives": ["a", "a"]}),
            ("the lower comes first", {"objectives": [Objective("a", bounds=(1, 0))]}),
            ("formats", {"formats": []}),
            ("max_batch", {"max_batch": 0}),
            ("files", {"files": ["no such file"]}),
        ):
            with self.assertRaisesRegex(OracleError, message):
                oracle(**{"objectives": ["a"], "formats": ["f"], **settings})(lambda objects: objects)

    def test_fingerprint_tells_version_name_and_files_apart(self):
        def length(objects):
            return [1.0 for _ in objects]

        def fingerprint(**settings):
            return oracle(**{"objectives": ["a"], "formats": ["f"], **settings})(length).fingerprint

        self.assertEqual(fingerprint(), fingerprint())
        others = {fingerprint(), fingerprint(version="2"), fingerprint(name="m"), fingerprint(files=["contract_test.py"])}
        self.assertEqual(len(others), 4)


if __name__ == "__main__":
    unittest.main()
