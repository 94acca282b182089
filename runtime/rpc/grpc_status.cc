#include "runtime/rpc/grpc_status.h"

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/rpc/status.pb.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

// Trailers have 8 KiB in all on the receiving side, or the whole status is lost. The message goes
// in twice: with up to three bytes for each of it, and in base64 within the details.
constexpr size_t kMaxTrailerMessageBytes = 1200;
constexpr size_t kMaxTrailerDetailBytes = 1500;
constexpr char kCut[] = " ...";

// What gRPC itself says where it raises RESOURCE_EXHAUSTED. There is nothing else to know it by;
// our own always carry a reason.
constexpr absl::string_view kReceivedTooLarge = "Received message larger than max";
constexpr absl::string_view kSentTooLarge = "Sent message larger than max";
constexpr absl::string_view kNoThread = "Server Threadpool Exhausted";
// TokenCheck's reasons, which gRPC carries in no other way.
constexpr absl::string_view kTokenReasons[] = {kReasonNoToken, kReasonBadToken};

// What gRPC says where a connection doesn't come about, and what it is likely to mean: it never
// does. The address stands in its message.
constexpr absl::string_view kNoConnection = "failed to connect to all addresses";
constexpr struct {
  absl::string_view said;
  absl::string_view meaning;
} kHandshakes[] = {
    {"certificate verify failed",
     "the server's certificate has expired, or no authority in tls.ca_file has signed it"},
    {"wrong version number", "the server speaks plain text; give it the same tls, or take it away"},
    {"is not in peer certificate",
     "the server's certificate is for other names; make one for this, or set tls.server_name"},
    {"Socket closed",
     "if the server is secured, it refused this client: is tls configured here, and has an "
     "authority that the server trusts signed tls.certificate_file? Its log tells"},
};

std::string WithMeaning(const std::string& message) {
  if (!absl::StrContains(message, kNoConnection)) return message;
  for (const auto& [said, meaning] : kHandshakes) {
    if (!absl::StrContains(message, said)) continue;
    // It may have come through several processes.
    return absl::StrContains(message, meaning) ? message
                                               : absl::StrCat(message, " (", meaning, ")");
  }
  return message;
}

// Shorter than the limit, and valid UTF-8 whatever it was before: a proto string must be.
std::string Presentable(absl::string_view message) {
  std::string text(message.substr(0, kMaxTrailerMessageBytes));
  if (message.size() > kMaxTrailerMessageBytes) text += kCut;
  bool ascii = true;
  for (const char c : text) ascii = ascii && absl::ascii_isascii(static_cast<unsigned char>(c));
  if (ascii) return text;
  using Json = nlohmann::json;
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace))
      .get<std::string>();
}

absl::Status WithTokenReason(const absl::Status& status) {
  for (const absl::string_view reason : kTokenReasons) {
    if (absl::StartsWith(status.message(), absl::StrCat(reason, ": "))) {
      return WithReason(status, reason);
    }
  }
  return status;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message = Presentable(status.message());
  google::rpc::Status details;
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    if (details.ByteSizeLong() + payload.size() > kMaxTrailerDetailBytes) return;
    google::protobuf::Any& any = *details.add_details();
    any.set_type_url(std::string(url));
    any.set_value(std::string(payload));
  });
  const auto code = static_cast<grpc::StatusCode>(status.code());
  if (details.details().empty()) return grpc::Status(code, message);
  details.set_code(static_cast<int32_t>(status.code()));
  details.set_message(message);
  return grpc::Status(code, message, details.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status out(static_cast<absl::StatusCode>(status.error_code()),
                   WithMeaning(status.error_message()));
  google::rpc::Status details;
  if (details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& any : details.details()) {
      out.SetPayload(any.type_url(), absl::Cord(absl::string_view(any.value())));
    }
  }
  if (!ReasonOf(out).empty()) return out;
  if (absl::IsUnauthenticated(out)) return WithTokenReason(out);
  if (!absl::IsResourceExhausted(out)) return out;
  const absl::string_view message = out.message();
  if (absl::StrContains(message, kReceivedTooLarge) || absl::StrContains(message, kSentTooLarge)) {
    return WithReason(out, kReasonMessageTooLarge);
  }
  if (absl::StrContains(message, kNoThread)) return WithReason(out, kReasonOverloaded);
  return out;
}

}  // namespace anabranch
