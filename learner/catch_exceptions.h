// Where LibTorch's exceptions end.
#ifndef ANABRANCH_LEARNER_CATCH_EXCEPTIONS_H_
#define ANABRANCH_LEARNER_CATCH_EXCEPTIONS_H_

#include <c10/util/Exception.h>

#include <exception>
#include <new>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// What `compute` returns, a Status or StatusOr. RESOURCE_EXHAUSTED where memory ran out, INTERNAL
// for any other exception; both begin with `who`.
template <typename F>
auto CatchExceptions(absl::string_view who, F compute) -> decltype(compute()) {
  try {
    return compute();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(
        who, " ran out of memory; lower learner.batch_trajectories or the network's width"));
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(absl::StrCat(
        who,
        " ran out of the device's memory; lower learner.batch_trajectories or the network's "
        "width: ",
        error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat(who, ": ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(who, ": ", error.what()));
  }
}

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_CATCH_EXCEPTIONS_H_
