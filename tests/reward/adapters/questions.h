// How the tests of all adapters ask.
#ifndef ANABRANCH_TESTS_REWARD_ADAPTERS_QUESTIONS_H_
#define ANABRANCH_TESTS_REWARD_ADAPTERS_QUESTIONS_H_

#include <stdlib.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/reward.pb.h"

namespace anabranch {

inline v1::EvaluateRequest Question(const std::vector<std::string>& objects,
                                    const std::vector<std::string>& objectives = {}) {
  v1::EvaluateRequest request;
  request.set_request_id("q");
  request.set_format("smiles");
  for (const std::string& object : objects) request.add_objects()->set_inline_(object);
  for (const std::string& name : objectives) request.add_objectives(name);
  return request;
}

// An oracle's configuration with its defaults, as the configuration's reader fills them in.
inline v1::OracleConfig OracleWith(const std::vector<std::string>& objectives,
                                   double timeout_seconds = 60) {
  v1::OracleConfig config;
  config.set_name("mine");
  for (const std::string& name : objectives) config.add_objectives(name);
  config.set_timeout_seconds(timeout_seconds);
  config.mutable_describe()->set_version("1");
  config.mutable_describe()->set_deterministic(true);
  return config;
}

// The first interpreter that has RDKit; empty where there is none.
inline std::string PythonWithRdkit() {
  for (const std::string python : {"/usr/bin/python3", "python3"}) {
    const std::string command = absl::StrCat(python, " -c 'import rdkit' 2>/dev/null");
    if (system(command.c_str()) == 0) return python;
  }
  return "";
}

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_REWARD_ADAPTERS_QUESTIONS_H_
