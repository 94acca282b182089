// The directory of a cluster's run: whose it is, and that only one launcher works in it.
#ifndef ANABRANCH_CLI_CLUSTER_CLUSTER_DIRECTORY_H_
#define ANABRANCH_CLI_CLUSTER_CLUSTER_DIRECTORY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace anabranch {

// Holds the directory until destroyed, or until the process ends, however that happens.
class ClusterDirectory {
 public:
  // Makes what is missing, and takes the run that `path` holds, or else a fresh one named after
  // `run_name`, which is kept before anything else is done under it. NOT_FOUND where `must_exist`
  // and no cluster was started there; ALREADY_EXISTS where something else's run lies there;
  // FAILED_PRECONDITION while another launcher works in it.
  static absl::StatusOr<std::unique_ptr<ClusterDirectory>> Open(const std::string& path,
                                                                const std::string& run_name,
                                                                bool must_exist);
  ~ClusterDirectory();
  ClusterDirectory(const ClusterDirectory&) = delete;
  ClusterDirectory& operator=(const ClusterDirectory&) = delete;

  const std::string& path() const { return path_; }
  const std::string& run_id() const { return run_id_; }
  bool resumed() const { return resumed_; }

 private:
  ClusterDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  absl::Status TakeRun(const std::string& run_name, bool must_exist);

  const std::string path_;
  const int lock_;  // A file descriptor.
  std::string run_id_;
  bool resumed_ = false;
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CLUSTER_CLUSTER_DIRECTORY_H_
