#include "runtime/rpc/grpc_status.h"

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
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
  absl::Status out(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& any : details.details()) {
      out.SetPayload(any.type_url(), absl::Cord(absl::string_view(any.value())));
    }
  }
  if (!absl::IsResourceExhausted(out) || !ReasonOf(out).empty()) return out;
  const absl::string_view message = out.message();
  if (absl::StrContains(message, kReceivedTooLarge) || absl::StrContains(message, kSentTooLarge)) {
    return WithReason(out, kReasonMessageTooLarge);
  }
  if (absl::StrContains(message, kNoThread)) return WithReason(out, kReasonOverloaded);
  return out;
}

}  // namespace anabranch
