"""The contract of Evaluate, on scoring functions that behave and that don't."""

import threading
import unittest

from oracle_for_test import request_of, statuses
from anabranch_oracle import Objective, Pending, Retry, Scores, oracle
from anabranch_oracle.engine import Engine
from anabranch_oracle.service import Refusal, RewardService


def service(function, threads=1, **settings):
    settings = {"objectives": ["length", "first"], "formats": ["sequence"], **settings}
    made = oracle(**settings)(function)
    return RewardService(made, Engine(made, threads))


def measure(objects):
    return [{"length": len(one), "first": ord(one[0])} if one else None for one in objects]


class EvaluateTest(unittest.TestCase):
    def test_answers_stand_in_the_order_of_the_request(self):
        answer = service(measure).evaluate(request_of(["AC", "", "TTT"]))
        self.assertEqual(statuses(answer), ["OK", "INVALID", "OK"])
        self.assertEqual(list(answer.raw_values), [2, 65, 0, 0, 3, 84])
        self.assertEqual(list(answer.raw_value_valid), [True, True, False, False, True, True])
        self.assertEqual(answer.request_id, "r")

    def test_objectives_asked_for_set_the_columns(self):
        answer = service(measure).evaluate(request_of(["AC"], objectives=["first"]))
        self.assertEqual((list(answer.objectives), list(answer.raw_values)), (["first"], [65]))
        answer = service(measure).evaluate(request_of(["AC"], objectives=["first", "length"]))
        self.assertEqual(list(answer.raw_values), [65, 2])

    def test_function_never_gets_more_than_the_preferred_size(self):
        sizes = []

        def record(objects):
            sizes.append(len(objects))
            return measure(objects)

        answer = service(record, preferred_batch=4).evaluate(request_of(["A" * n for n in range(1, 11)]))
        self.assertEqual(sizes, [4, 4, 2])
        self.assertEqual(list(answer.raw_values)[::2], list(range(1, 11)))

    def test_exception_fails_the_bad_object_alone(self):
        def picky(objects):
            if "BAD" in objects:
                raise ValueError("can't read BAD")
            return measure(objects)

        answer = service(picky).evaluate(request_of(["AC", "BAD", "G"]))
        self.assertEqual(statuses(answer), ["OK", "FAILED", "OK"])
        self.assertIn("ValueError: can't read BAD", answer.reasons[1])
        self.assertEqual(list(answer.raw_values), [2, 65, 0, 0, 1, 71])

    def test_wrong_count_is_never_shifted_onto_neighbours(self):
        answer = service(lambda objects: measure(objects)[1:]).evaluate(request_of(["A", "C"]))
        self.assertEqual(statuses(answer), ["FAILED", "FAILED"])
        self.assertIn("0 answers for 1 objects", answer.reasons[0])

    def test_bytes_that_are_not_text_are_invalid_unless_binary(self):
        self.assertEqual(statuses(service(measure).evaluate(request_of([b"\xff", "A"]))), ["INVALID", "OK"])
        binary = service(lambda objects: [{"length": len(o), "first": o[0]} for o in objects], binary=True)
        self.assertEqual(list(binary.evaluate(request_of([b"\xff"])).raw_values), [1, 255])

    def test_empty_batch_is_answered(self):
        self.assertEqual(statuses(service(measure).evaluate(request_of([]))), [])

    def test_replicates_of_a_noisy_oracle_are_averaged(self):
        values = iter([1.0, 2.0, 6.0])
        noisy = service(lambda objects: [next(values)], objectives=["x"], deterministic=False)
        answer = noisy.evaluate(request_of(["A"], replicates=3))
        self.assertEqual((list(answer.raw_values), list(answer.evaluation_counts)), ([3.0], [3]))
        self.assertAlmostEqual(answer.raw_standard_errors[0], (14 / 2 / 3) ** 0.5)

    def test_costs_are_told_and_counted(self):
        costly = service(lambda objects: [Scores(1.0, cost=2.5)] * len(objects), objectives=["x"], cost_unit="EUR")
        answer = costly.evaluate(request_of(["A", "C"]))
        self.assertEqual(list(answer.costs), [2.5, 2.5])
        budget = costly.describe().budget
        self.assertEqual((budget.cost_unit, budget.cost_used, budget.evaluations_used), ("EUR", 5.0, 2))


class RefusalTest(unittest.TestCase):
    def refuse(self, **fields):
        objects = fields.pop("objects", ["A"])
        with self.assertRaises(Refusal) as caught:
            service(measure, max_batch=2).evaluate(request_of(objects, **fields))
        return caught.exception.code, caught.exception.reason, str(caught.exception)

    def test_faults_of_the_request_name_field_and_remedy(self):
        code, reason, message = self.refuse(expected_fingerprint="other/1")
        self.assertEqual((code, reason), ("FAILED_PRECONDITION", "FINGERPRINT_CHANGED"))
        self.assertIn("other/1", message)
        self.assertEqual(self.refuse(objects=["A"] * 3)[:2], ("INVALID_ARGUMENT", "TOO_LARGE"))
        self.assertIn("request_id", self.refuse(request_id="")[2])
        self.assertIn("sequence", self.refuse(object_format="smiles")[2])
        self.assertIn("length, first", self.refuse(objectives=["weight"])[2])
        self.assertIn("replicates", self.refuse(replicates=5000)[2])

    def test_contexts_are_refused(self):
        request = request_of(["A"])
        request.objects[0].context = 1
        request.contexts.add(prompt=b"x")
        with self.assertRaisesRegex(Refusal, "contexts"):
            service(measure).evaluate(request)


class RepeatTest(unittest.TestCase):
    def test_repeated_request_costs_nothing(self):
        calls = []
        counting = service(lambda objects: calls.append(1) or measure(objects))
        first, second = (counting.evaluate(request_of(["AC"])) for _ in range(2))
        self.assertEqual((first, len(calls)), (second, 1))
        counting.evaluate(request_of(["AC"], request_id="another"))
        self.assertEqual(len(calls), 2)

    def test_repeat_beside_the_first_waits_for_its_answer(self):
        calls, entered, let_go = [], threading.Event(), threading.Event()

        def gated(objects):
            calls.append(1)
            entered.set()
            let_go.wait()
            return measure(objects)

        slow = service(gated, threads=2)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(slow.evaluate(request_of(["AC"])))) for _ in range(2)]
        threads[0].start()
        entered.wait()
        threads[1].start()
        let_go.set()
        for thread in threads:
            thread.join()
        self.assertEqual((len(calls), answers[0]), (1, answers[1]))

    def test_answers_that_may_change_are_not_kept(self):
        outcomes = iter([[Retry("busy", after=1)], [{"length": 1, "first": 65}]])
        flaky = service(lambda objects: next(outcomes))
        first = flaky.evaluate(request_of(["A"]))
        self.assertEqual((statuses(first), list(first.retry_after_millis)), (["RETRYABLE"], [1000]))
        self.assertEqual(statuses(flaky.evaluate(request_of(["A"]))), ["OK"])

    def test_batches_not_begun_are_left_when_the_caller_has_gone(self):
        calls = []
        counting = service(lambda objects: calls.append(1) or measure(objects), preferred_batch=1)
        answer = counting.evaluate(request_of(["A", "C"]), alive=lambda: not calls)
        self.assertEqual((statuses(answer), len(calls)), (["OK", "RETRYABLE"], 1))


class TicketTest(unittest.TestCase):
    def test_object_is_asked_again_until_its_answer_is_there(self):
        known = {}
        lab = service(
            lambda objects: [known.get(one, Pending(retry_after=5)) for one in objects], objectives=["x"], tickets=True
        )
        self.assertTrue(lab.describe().issues_tickets)
        first = lab.evaluate(request_of(["A", "C"]))
        self.assertEqual(statuses(first), ["PENDING", "PENDING"])
        self.assertEqual(len(set(first.tickets)), 2)
        self.assertEqual(list(first.tickets), list(lab.evaluate(request_of(["A", "C"], request_id="2")).tickets))
        known["C"] = 0.5
        again = request_of(["A", "C"], request_id="3")
        for one, ticket in zip(again.objects, first.tickets):
            one.ticket = ticket
        answer = lab.evaluate(again)
        self.assertEqual(statuses(answer), ["PENDING", "OK"])
        self.assertEqual((answer.raw_values[1], answer.tickets[1]), (0.5, ""))

    def test_poll_is_asked_by_ticket_and_unknown_tickets_by_content(self):
        results = {"job-1": 0.25}
        lab = service(
            lambda objects: [Pending(ticket="job-2") for _ in objects],
            objectives=[Objective("x")],
            poll=lambda tickets: [results[ticket] for ticket in tickets],
        )
        request = request_of(["A", "C"])
        request.objects[0].ticket, request.objects[1].ticket = "job-1", "job-lost"
        request.objects.add(ticket="job-1")  # By ticket alone.
        request.objects.add(ticket="job-lost")
        answer = lab.evaluate(request)
        self.assertEqual(statuses(answer), ["OK", "PENDING", "OK", "INVALID"])
        self.assertEqual(list(answer.tickets), ["", "job-2", "", ""])


if __name__ == "__main__":
    unittest.main()
