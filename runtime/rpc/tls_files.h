// The PEM files of a TLS configuration, read and checked before a library sees them: what it would
// say of a bad one is seldom more than that it failed.
#ifndef ANABRANCH_RUNTIME_RPC_TLS_FILES_H_
#define ANABRANCH_RUNTIME_RPC_TLS_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "anabranch/v1/config.pb.h"

namespace anabranch {

// An own certificate that ends sooner gets a warning.
inline constexpr absl::Duration kSoonToExpire = absl::Hours(14 * 24);

// Contents of the files; empty for those that aren't named.
struct TlsFiles {
  std::string ca;
  std::string certificate;
  std::string key;
  // Whole sentences for the log: a key that others may read, a certificate that ends soon.
  std::vector<std::string> warnings;
};

// Reads what `tls` names, once: whoever replaces a certificate restarts the process.
// INVALID_ARGUMENT names key (`prefix`, such as "cluster.tls", and the field), path and what is
// wrong: a file that can't be read or holds no PEM, a certificate without its key or the reverse, a
// key that is encrypted or belongs to another certificate, an own certificate that has expired or
// isn't valid yet, with the date. Never quotes content.
absl::StatusOr<TlsFiles> ReadTlsFiles(absl::string_view prefix, const v1::TlsConfig& tls,
                                      absl::Time now);

// Whether everybody on this machine may read or write the file.
bool IsOpenToOthers(const std::string& path);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_TLS_FILES_H_
