// Oracles that answer JSON over HTTP.
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "reward/adapters/described_oracle.h"
#include "reward/adapters/http_client.h"
#include "reward/adapters/json_answer.h"
#include "reward/adapters/oracle_adapters.h"

namespace anabranch {
namespace {

using nlohmann::json;

// POST {"smiles": ["CCO", ...]}; the answer is either {"qed": [0.4, ...], ...} or, as MolScore's
// servers have it, a list of one object each: [{"smiles": "CCO", "qed": 0.4}, ...]. Objects that
// are no UTF-8 aren't sent. Thread-safe.
class HttpSource final : public ValueSource {
 public:
  HttpSource(const v1::HttpOracleConfig& config, std::unique_ptr<HttpClient> client)
      : config_(config), client_(std::move(client)) {}

  absl::StatusOr<std::string> Identity(bool fresh) override {
    if (fresh) {
      if (absl::Status status = client_->Connect(); !status.ok()) return status;
    }
    return absl::StrCat("url=", config_.url());
  }

  std::string Refusal(absl::string_view object) const override {
    return IsUtf8(object) ? "" : "is no UTF-8 text, which JSON needs";
  }

  absl::StatusOr<ScoredObjects> Score(const std::vector<absl::string_view>& objects,
                                      const std::vector<std::string>& objectives) override {
    json list = json::array();
    for (const absl::string_view object : objects) list.push_back(std::string(object));
    const auto body = client_->Post(WriteJson({{config_.objects_key(), std::move(list)}}));
    if (!body.ok()) return body.status();
    const auto answer = ParseAnswer(*body);
    if (!answer.ok()) return answer.status();
    return answer->is_array() ? ReadRows(*answer, objects.size(), objectives)
                              : ReadColumns(*answer, objects.size(), objectives);
  }

  void Cancel() override { client_->Cancel(); }

 private:
  const v1::HttpOracleConfig config_;
  const std::unique_ptr<HttpClient> client_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RewardClient>> MakeHttpOracle(const v1::OracleConfig& config,
                                                             const AdapterOptions& options) {
  const v1::HttpOracleConfig& http = config.http();
  if (http.objects_key().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("oracle \"", config.name(),
                     "\": http.objects_key: is empty; give the key of the list of objects"));
  }
  HttpClientOptions client_options;
  client_options.url = http.url();
  client_options.insecure = options.insecure;
  client_options.tls = http.tls();
  client_options.token_file = http.token_file();
  client_options.timeout = absl::Seconds(config.timeout_seconds());
  auto client = HttpClient::Create(client_options);
  if (!client.ok()) {
    return absl::Status(client.status().code(), absl::StrCat("oracle \"", config.name(),
                                                             "\": ", client.status().message()));
  }
  return DescribedOracle::Create("http", config,
                                 std::make_unique<HttpSource>(http, *std::move(client)), options);
}

}  // namespace anabranch
