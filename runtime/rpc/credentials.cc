#include "runtime/rpc/credentials.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/rpc/tls_files.h"
#include "runtime/rpc/token_check.h"
#include "runtime/rpc/token_file.h"

namespace anabranch {
namespace {

// Sends the token with every call. gRPC calls it only on connections that are encrypted.
class SendToken final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit SendToken(std::unique_ptr<TokenFile> token) : token_(std::move(token)) {}

  // A look at a file at most, now and then: not worth a thread.
  bool IsBlocking() const override { return false; }
  const char* GetType() const override { return "anabranch_token"; }
  grpc::Status GetMetadata(grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    metadata->emplace(kAuthorization, absl::StrCat(kBearer, token_->Current()));
    return grpc::Status::OK;
  }
  grpc::string DebugString() override { return "a bearer token from a file"; }

 private:
  const std::unique_ptr<TokenFile> token_;
};

// The files' contents; empty optional without TLS.
absl::StatusOr<std::optional<TlsFiles>> ReadFiles(const EdgeSecurity& security, Log& log) {
  if (!security.tls.has_value()) {
    if (security.token_file.empty()) return std::optional<TlsFiles>();
    return absl::InvalidArgumentError(absl::StrCat(
        security.token_key, " is \"", security.token_file, "\", but ", security.tls_key,
        " is missing: in plain text everybody could read the token"));
  }
  auto files = ReadTlsFiles(security.tls_key, *security.tls, absl::Now());
  if (!files.ok()) return files.status();
  for (const std::string& warning : files->warnings) log.Warning(warning);
  return std::optional<TlsFiles>(*std::move(files));
}

bool WantsClientCertificate(const v1::TlsConfig& tls) {
  return tls.has_require_client_certificate() ? tls.require_client_certificate()
                                              : !tls.ca_file().empty();
}

absl::Status CheckServes(const EdgeSecurity& security) {
  if (security.tls->certificate_file().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(security.tls_key,
                     ".certificate_file is missing: a process that serves shows "
                     "a certificate; give it with ",
                     security.tls_key, ".key_file"));
  }
  if (WantsClientCertificate(*security.tls) && security.tls->ca_file().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(security.tls_key, ".require_client_certificate is true, but ",
                     security.tls_key, ".ca_file is missing: who must have signed them?"));
  }
  return absl::OkStatus();
}

std::string TokenFileOf(v1::Role role, const v1::ClusterConfig& cluster) {
  switch (role) {
    case v1::ROLE_REPLAY:
      return cluster.replay_token_file();
    case v1::ROLE_REWARD:
      return cluster.reward_token_file();
    case v1::ROLE_LEARNER:
      return cluster.learner_token_file();
    default:
      return "";
  }
}

const char* TokenKeyOf(v1::Role role) {
  switch (role) {
    case v1::ROLE_REPLAY:
      return "cluster.replay_token_file";
    case v1::ROLE_REWARD:
      return "cluster.reward_token_file";
    default:
      return "cluster.learner_token_file";
  }
}

}  // namespace

EdgeSecurity SecurityOf(v1::Role role, const v1::ClusterConfig& cluster) {
  EdgeSecurity security;
  if (cluster.has_tls()) security.tls = cluster.tls();
  security.token_file = TokenFileOf(role, cluster);
  security.tls_key = "cluster.tls";
  security.token_key = TokenKeyOf(role);
  return security;
}

std::string DescribeServerSecurity(const EdgeSecurity& security) {
  if (!security.tls.has_value()) return "plaintext";
  return absl::StrCat(WantsClientCertificate(*security.tls) ? "mTLS" : "TLS",
                      security.token_file.empty() ? "" : " with a token");
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const EdgeSecurity& security, Log& log) {
  auto files = ReadFiles(security, log);
  if (!files.ok()) return files.status();
  if (!files->has_value()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = (*files)->ca;
  options.pem_cert_chain = (*files)->certificate;
  options.pem_private_key = (*files)->key;
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::SslCredentials(options);
  if (credentials == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        security.tls_key, ": the TLS library refuses these files; is ca_file missing, and does ",
        "this machine have no certificates of authorities of its own?"));
  }
  if (security.token_file.empty()) return credentials;
  auto token = TokenFile::Open(security.token_key, security.token_file, log);
  if (!token.ok()) return token.status();
  return grpc::CompositeChannelCredentials(
      credentials,
      grpc::MetadataCredentialsFromPlugin(std::make_unique<SendToken>(*std::move(token))));
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const EdgeSecurity& security, Metrics& metrics, Log& log) {
  auto files = ReadFiles(security, log);
  if (!files.ok()) return files.status();
  if (!files->has_value()) return grpc::InsecureServerCredentials();
  if (absl::Status status = CheckServes(security); !status.ok()) return status;
  grpc::SslServerCredentialsOptions options(
      WantsClientCertificate(*security.tls)
          ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
          : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  options.pem_root_certs = (*files)->ca;
  options.pem_key_cert_pairs.push_back({(*files)->key, (*files)->certificate});
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::SslServerCredentials(options);
  if (security.token_file.empty()) return credentials;
  auto token = TokenFile::Open(security.token_key, security.token_file, log);
  if (!token.ok()) return token.status();
  credentials->SetAuthMetadataProcessor(
      std::make_shared<TokenCheck>(*std::move(token), metrics, log));
  return credentials;
}

}  // namespace anabranch
